/**
 * Starts the signaling server that RxDB exports and that its documentation says to run. Its argument
 * is the folder in whose `node_modules` RxDB is.
 */

import { createRequire } from "node:module";
import process from "node:process";

const require = createRequire(`${process.argv[2]}/package.json`);
const { startSignalingServerSimplePeer } = require("rxdb/plugins/replication-webrtc");
await startSignalingServerSimplePeer({ port: Number(process.env.PORT), host: "127.0.0.1" });
