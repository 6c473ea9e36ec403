// What a person types about a rollout, as the document says it.
// Pure.
import { Rollout, type Wave } from "../../../provisioning/trust/rollout.ts";
import { parseDuration } from "../../../provisioning/trust/token.ts";
import { type Command, text, usageError, type Values } from "../../terminal/command.ts";

export type Terms = Pick<
  Rollout,
  "release" | "waves" | "soakSeconds" | "successPercent" | "maxFailures" | "maxUnavailable" | "window" | "tag"
>;
const Terms = Rollout.pick({
  ...{ release: true, waves: true, soakSeconds: true, successPercent: true },
  ...{ maxFailures: true, maxUnavailable: true, window: true, tag: true },
});
const optionOf: Partial<Record<PropertyKey, string>> = {
  ...{ soakSeconds: "soak", successPercent: "success", maxFailures: "max-failures", maxUnavailable: "max-unavailable" },
};

/** Throws `usage.invalid`, which names the option. */
export function readTerms(command: Command, values: Values): Terms {
  const given = (name: string) => text(values, name);
  const parsed = Terms.safeParse({
    release: given("release"),
    waves: (given("waves") ?? "").split(",").map(readWave),
    soakSeconds: readSeconds(given("soak") ?? ""),
    successPercent: readPercent(given("success") ?? ""),
    maxUnavailable: readCount(given("max-unavailable") ?? ""),
    ...(given("max-failures") !== undefined && { maxFailures: readCount(given("max-failures")!) }),
    ...(given("window") !== undefined && { window: given("window") }),
    ...(given("tag") !== undefined && { tag: given("tag") }),
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path[0] ?? "release";
  const option = optionOf[field] ?? String(field);
  const value = given(option);
  throw usageError(
    command,
    value === undefined ? `--${option} is missing` : `--${option} ${value} ${explainOf(field, issue!.message)}`,
  );
}

const explainOf = (field: PropertyKey, message: string): string =>
  ({
    waves: "is no list of rising waves such as canary,10%,50%,100%",
    soakSeconds: "is no time such as 30s, 30m, 12h or 1d",
    successPercent: "is no whole percentage from 1% to 100%",
    maxFailures: "is no number",
    maxUnavailable: "is no number from 1",
  })[String(field)] ?? message;

const readPercent = (given: string): number =>
  /^[1-9][0-9]{0,2}%?$/.test(given) ? Number.parseInt(given, 10) : Number.NaN;
const readCount = (given: string): number => (/^[0-9]{1,5}$/.test(given) ? Number(given) : Number.NaN);
const readWave = (given: string): Wave | number => (given === "canary" ? "canary" : readPercent(given));

function readSeconds(given: string): number {
  const seconds = /^([0-9]{1,7})s$/.exec(given)?.[1];
  return seconds === undefined ? (parseDuration(given) ?? Number.NaN) / 1000 : Number(seconds);
}

export const waveText = (wave: Wave): string => (wave === "canary" ? "canary" : `${wave} %`);

/** In one line. */
export function describeTerms(terms: Terms): string {
  const { waves, soakSeconds, successPercent, maxFailures, maxUnavailable, window, tag } = terms;
  return [
    `waves ${waves.map(waveText).join(", ")}`,
    `soak ${describeSeconds(soakSeconds)}`,
    `success ${successPercent} %`,
    ...(maxFailures === undefined ? [] : [`stops at failure ${Math.max(1, maxFailures)}`]),
    `${maxUnavailable} away at most`,
    ...(window === undefined ? [] : [`only ${window}`]),
    ...(tag === undefined ? [] : [`only tag ${tag}`]),
  ].join("; ");
}

function describeSeconds(seconds: number): string {
  const units = [
    ["d", 86_400],
    ["h", 3_600],
    ["m", 60],
  ] as const;
  const [unit, size] = units.find(([, one]) => seconds >= one && seconds % one === 0) ?? ["s", 1];
  return `${seconds / size} ${unit}`;
}
