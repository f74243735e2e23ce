// The one door to the view library: every module gets `html` and hooks here.
import { h, render, Component, Fragment } from "preact";
import { useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback } from "preact/hooks";
import htm from "htm";

export const html = htm.bind(h);
export { h, render, Component, Fragment, useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback };
