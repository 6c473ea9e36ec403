import { describe } from "vitest";
import { bootControlContract } from "./contract.ts";
import { rpiBench } from "./rpi-bench.ts";

describe.each(["rpi3", "rpi4", "rpi5"])("tryboot on an %s", (board) => {
  bootControlContract(() => rpiBench(board), { tries: 1 });
});
