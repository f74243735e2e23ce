// Words for what the platform and the store call otherwise.
const SPEAKERS = { __proto__: null, agent: "Agent", customer: "Customer", ivr: "Menu voice", acd: "Queue voice", workflow: "Flow", unknown: "Somebody" };
const MEDIA = { __proto__: null, voice: "Call", email: "E-mail" };
const REASONS = {
  __proto__: null, disconnected: "connection lost", silent: "the connection fell silent", stopped: "genscribe was stopped", crashed: "genscribe ended unexpectedly",
  "store full": "the disk was full", evicted: "another program took the channel", late: "heard late", limit: "the platform's limit of topics",
};
const named = (names, word) => names[word] ?? word.charAt(0).toUpperCase() + word.slice(1);

// Who said a line: the agent's name where it is known. `people` are participants (an array, or a Map of them).
export function speakerName({ speaker, participant_id, user_id }, people = []) {
  const same = (one) => one.user_name && ((one.participant_id && one.participant_id === participant_id) || (one.user_id && one.user_id === user_id));
  return (speaker === "agent" && [...people.values()].find(same)?.user_name) || named(SPEAKERS, speaker ?? "unknown");
}

export const mediaName = (type) => named(MEDIA, type ?? "");
export const reasonWords = (reason) => REASONS[reason] ?? reason;
