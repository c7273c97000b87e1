/** What reading one message costs, by its size, beside the bare `JSON.parse` of it. */

import { parseClientMessage } from "../src/protocol/parse.ts";
import { signalText } from "./_messages.ts";

const MESSAGES = {
  "candidate, 150 B": signalText("candidate", 150),
  "offer, 600 B": signalText("offer", 600),
  "offer, 3 kB": signalText("offer", 3000),
};

for (const [group, text] of Object.entries(MESSAGES)) {
  Deno.bench(`JSON.parse, ${group}`, { group, baseline: true }, () => {
    JSON.parse(text);
  });
  Deno.bench(`parseClientMessage, ${group}`, { group }, () => {
    parseClientMessage(text);
  });
}
