// Words for what the platform and the store call otherwise.
const SPEAKERS = { agent: "Agent", customer: "Customer", ivr: "Menu voice", acd: "Queue voice", bot: "Bot", workflow: "Flow", unknown: "Somebody" };
const MEDIA = { voice: "Call", chat: "Chat", message: "Message", video: "Video", email: "E-mail", callback: "Callback" };
const REASONS = {
  disconnected: "connection lost", silent: "the connection fell silent", stopped: "genscribe was stopped", crashed: "genscribe ended unexpectedly",
  "store full": "the disk was full", evicted: "another program took the channel", late: "heard late", limit: "the platform's limit of topics",
};

const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

// Who said a line: the agent's name where it is known. `people` are participants (an array, or a Map's values).
export function speakerName(line, people = []) {
  if (line.speaker === "agent") {
    for (const one of people instanceof Map ? people.values() : people) {
      if (one.user_name && ((one.participant_id && one.participant_id === line.participant_id) || (one.user_id && one.user_id === line.user_id))) return one.user_name;
    }
  }
  return SPEAKERS[line.speaker] ?? capital(String(line.speaker ?? "somebody"));
}

export const mediaName = (type) => (type ? MEDIA[type] ?? capital(String(type)) : "");
export const reasonWords = (reason) => REASONS[reason] ?? String(reason ?? "nobody knows why");
