// Under the real systemd-boot, which the model in test/image/boot stands for. Other boards, a Raspberry Pi through the emulated
// firmware among them: `npm run test:long -- --cases boards/trial`.
import { test } from "vitest";
import { slowness } from "../speed.ts";
import { proveTwoTrials } from "./trial.ts";

/** Four boots, and the image before them. Three hangs one after the other, and a bad verdict: `boards/trial-nuc`. */
const bootsMs = 25 * 60_000 * slowness();

test(
  "a good trial is committed and outlives a power cut; one that hangs is ended by the watchdog and leads back",
  proveTwoTrials,
  bootsMs,
);
