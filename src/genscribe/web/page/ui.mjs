// The one door to the view library: every module gets `html` and hooks here.
import { h } from "preact";
import htm from "htm";

export { render } from "preact";
export { useState, useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
export const html = htm.bind(h);
