/** What relaying one message costs without a socket, beside parsing, stamping and stringifying it. */

import { systemClock } from "../src/runtime/clock.ts";
import type { SignalMessage } from "../src/protocol/messages.ts";
import { parseClientMessage } from "../src/protocol/parse.ts";
import { createRooms } from "../src/rooms/rooms.ts";
import { SilentPeer } from "../tests/helpers/peer.ts";
import { signalText } from "./_messages.ts";

const sender = new SilentPeer("from");
const { registry } = createRooms({ clock: systemClock });
const { room } = registry.join("room", sender);
registry.join("room", new SilentPeer("to"));

for (const [group, size] of [["offer, 600 B", 600], ["offer, 3 kB", 3000]] as const) {
  const text = signalText("offer", size);
  Deno.bench(`bare relay, ${group}`, { group, baseline: true }, () => {
    const message = JSON.parse(text);
    message.from = sender.id;
    message.fromRole = sender.role;
    room.find(message.to)?.send(JSON.stringify(message));
  });
  Deno.bench(`parse and Room.relay, ${group}`, { group }, () => {
    room.relay(sender, parseClientMessage(text) as SignalMessage, text);
  });
}
