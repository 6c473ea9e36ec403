// A program that tunes the kernel and then waits to be killed.
import { start } from "./tuning.ts";

const { tuning } = await start(process.argv[2]!, "auto");
console.log(JSON.stringify(tuning.applied()));
setInterval(() => {}, 1_000);
