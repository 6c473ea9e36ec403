// The program of the lab's web, on its own host: `node main.ts <folder>`. It prints one line when it listens, then one a request.
import { systemClock } from "../../../system/clock.ts";
import { listening } from "./requests.ts";
import { serveFolder } from "./server.ts";

const port = 80;

const server = serveFolder({
  folder: process.argv[2] ?? "",
  now: systemClock.now,
  onRequest: (request) => console.log(JSON.stringify(request)),
});
server.listen(port, "0.0.0.0", () => console.log(listening));
