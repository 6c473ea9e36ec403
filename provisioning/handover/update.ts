// What passes between the agent and root's updater. The updater has no network: it asks on the agent's socket, and the agent
// fetches, reports and passes on what people asked for. Each message has one schema, read and written by both.
import { z } from "zod";
import { AutoRelease } from "../trust/rollout-policy.ts";
import { maxWitnessChars, WitnessNonce } from "../trust/witness.ts";

const EpochMs = z.number().min(0);
const Bytes = z.int().min(0);
const Version = z.string().min(1).max(64);
const Code = z.string().max(64);
const Text = z.string().max(500);

/** What a witness confirmed of a device on trial, as the updater judged it. */
export const Confirmation = z.object({
  by: z.string().max(64).describe("id of the member"),
  handshake: z.boolean().describe("a WireGuard handshake younger than the trial's boot"),
  gossip: z.boolean().describe("gossip of the trial's boot"),
  connection: z.boolean().describe("its own connection to the device, in the trial's boot"),
});
export type Confirmation = z.infer<typeof Confirmation>;

/** How an update ended. */
export const UpdateEnd = z.object({
  atMs: EpochMs,
  from: Version,
  to: Version,
  outcome: z
    .enum(["committed", "failed", "void", "left", "rescued"])
    .describe(
      "void: the trial ended for a reason that says nothing of the release, such as a power cut; left: somebody asked to go back; rescued: the slot no longer started",
    ),
  check: Code.exactOptional().describe("code of the check that failed"),
  message: Text.exactOptional(),
  isAlone: z.boolean().exactOptional().describe("no other member was alive, so only local checks judged"),
  isUnwitnessed: z
    .boolean()
    .exactOptional()
    .describe(
      "others were alive, and none could be a witness: their release knows none, or they did not reach this device",
    ),
  witnesses: z.array(Confirmation).max(16).exactOptional().describe("what members said of the trial, signed"),
  log: z.array(z.string().max(400)).max(200).exactOptional().describe("the last lines before the restart"),
});
export type UpdateEnd = z.infer<typeof UpdateEnd>;

const Trouble = z.object({ code: Code, message: Text, hint: Text.exactOptional() });
export type UpdateTrouble = z.infer<typeof Trouble>;

/** What the updater is doing. Each phase carries what is true in it. */
export const UpdateActivity = z.discriminatedUnion("phase", [
  z.object({ phase: z.literal("idle") }),
  z.object({ phase: z.literal("checking") }),
  z.object({
    phase: z.literal("writing"),
    version: Version,
    part: z.string().max(16),
    doneBytes: Bytes.describe("of all parts"),
    totalBytes: Bytes,
    fetchedBytes: Bytes.describe("what the network carried so far"),
    forecastBytes: Bytes.describe("what the network will have carried at the end"),
  }),
  z.object({ phase: z.literal("verifying"), version: Version, doneBytes: Bytes, totalBytes: Bytes }),
  z
    .object({ phase: z.literal("ready"), version: Version, because: Trouble.exactOptional() })
    .describe("verified in the other slot, and not started before somebody asks for it; because: why it did not start"),
  z.object({ phase: z.literal("restarting"), version: Version }),
  z.object({
    phase: z.literal("trying"),
    version: Version,
    leftS: z.number().min(0).describe("until silence counts as failure"),
    waitsFor: z.array(Code).max(16).describe("codes of the checks that have not passed yet"),
  }),
  z.object({
    phase: z.literal("waiting"),
    version: Version.exactOptional(),
    because: Trouble,
    againAtMs: EpochMs.exactOptional(),
  }),
]);
export type UpdateActivity = z.infer<typeof UpdateActivity>;

/** Whether the slots are about to change: nothing may read or replace them meanwhile. */
export const isUpdating = (
  activity: UpdateActivity,
): activity is Extract<UpdateActivity, { phase: "writing" | "verifying" | "restarting" | "trying" }> =>
  ["writing", "verifying", "restarting", "trying"].includes(activity.phase);

/** Whether nothing is left to fetch. */
export const isAtRest = ({ phase }: UpdateActivity): boolean => phase === "idle" || phase === "ready";

export const UpdateReport = z.object({
  v: z.literal(1),
  running: z.object({ slot: z.enum(["a", "b"]), version: Version }),
  activity: UpdateActivity,
  checkedAtMs: EpochMs.exactOptional().describe("the last check that the repository answered"),
  newest: Version.exactOptional().describe("the newest release in the repository"),
  auto: AutoRelease.exactOptional().describe("the newest release, if homes without an operator take it by themselves"),
  verified: z
    .array(z.object({ version: Version, rootHash: z.string().regex(/^[0-9a-f]{64}$/) }))
    .max(4)
    .exactOptional()
    .describe(
      "releases whose signed manifest for this board the updater has read since it started, and the root that it names",
    ),
  earlier: Version.exactOptional().describe("the release in the other slot, to which the device can go back"),
  failed: z
    .array(Version)
    .max(16)
    .describe("releases that failed their trial or were left: not tried again by themselves"),
  fallback: UpdateEnd.exactOptional().describe("a fallback that nobody has acknowledged yet"),
  history: z
    .array(UpdateEnd.omit({ log: true }))
    .max(20)
    .describe("the newest first"),
});
export type UpdateReport = z.infer<typeof UpdateReport>;

/** What people ask of the updater. */
export const UpdateRequest = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("check") }),
  z.object({ kind: z.literal("now") }),
  z
    .object({ kind: z.literal("prepare"), version: Version.exactOptional() })
    .describe("write and verify the newest release, or the one that is named, and stay until somebody says restart"),
  z
    .object({ kind: z.literal("restart"), version: Version.exactOptional() })
    .describe("into what is ready; refused if that is another release than the named one"),
  z.object({ kind: z.literal("retry") }),
  z.object({ kind: z.literal("seen") }),
  z.object({ kind: z.literal("back") }),
  z
    .object({ kind: z.literal("install") })
    .describe("from the folder or file that root's own request names (requests.ts)"),
]);
export type UpdateRequest = z.infer<typeof UpdateRequest>;

/** The answer is held back until a request comes, at most this long. */
export const waitMs = 25_000;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** What a step of a recipe may make (ota/format/recipe.ts). */
const maxUnpackedBytes = 1 << 20;

/** Bytes that the updater names. The agent answers with them alone, or with an error. */
export const BytesRequest = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("file"),
    path: z
      .string()
      .max(256)
      .regex(/^(metadata|targets)(\/(?!\.\.?(\/|$))[A-Za-z0-9._~+-]+)+$/)
      .describe("below the repository's URL"),
    maxBytes: z.int().positive(),
  }),
  z.object({
    kind: z.literal("object"),
    sha256: Sha256,
    sizeBytes: z.int().positive().describe("of the content; more or less is an error"),
  }),
]);
export type BytesRequest = z.infer<typeof BytesRequest>;

/**
 * A frame of a pack that the agent fetches and unpacks. The dictionary, bytes of the running release that the updater has read, comes
 * with the request.
 */
export const PackedRequest = z
  .object({
    pack: z.object({ sha256: Sha256, sizeBytes: z.int().positive() }),
    frame: z.object({
      offset: Bytes,
      length: z
        .int()
        .positive()
        .max(2 * maxUnpackedBytes),
    }),
    sha256: Sha256.describe("of the content"),
    sizeBytes: z.int().positive().max(maxUnpackedBytes).describe("of the content; more or less is an error"),
    insteadBytes: Bytes.describe("what all steps that still need the pack would cost without it, by estimate"),
  })
  .refine(({ pack, frame }) => frame.offset + frame.length <= pack.sizeBytes, "the frame lies outside of the pack");
export type PackedRequest = z.infer<typeof PackedRequest>;

/**
 * How long a release on trial may take to show that it works. A device goes back by itself ten minutes after its start even if no
 * updater runs (hamlet-verdict.timer), so the updater's own verdict has to come before that.
 */
export const verdictSeconds = { min: 60, usual: 180, max: 480 } as const;
export const VerdictSeconds = z.int().min(verdictSeconds.min).max(verdictSeconds.max);

/** The updater keeps some of them for the verdict (ota/updater/state.ts). */
const MemberId = z.string().max(64);

/** The most members that are asked to be witnesses. */
export const maxWitnesses = 64;
/** `from`: whom to ask; by default whoever is alive. */
export const EvidenceRequest = z.object({
  witness: z
    .object({ nonce: WitnessNonce, from: z.array(MemberId).max(maxWitnesses).exactOptional() })
    .exactOptional()
    .describe("ask members for signed statements about this device"),
});
export type EvidenceRequest = z.infer<typeof EvidenceRequest>;

/** What an agent knows of its device's health; the updater judges it. */
export const Evidence = z.object({
  phase: z.enum(["unprovisioned", "pending", "member"]),
  hasPage: z.boolean().describe("the page answers on its port"),
  hasMesh: z.boolean().describe("guard, tunnel and cluster run; false also without an identity"),
  handshakes: z.array(MemberId).max(4096).describe("ids of members with a WireGuard handshake in this boot"),
  alive: z.array(MemberId).max(4096).describe("ids of other members that gossip says are alive"),
  telemetry: z.enum(["none", "down", "up"]).describe("none: there is no broker"),
  self: MemberId.exactOptional().describe("this device's id"),
  members: z
    .array(z.object({ id: MemberId, key: z.string().max(64) }))
    .max(maxWitnesses)
    .exactOptional()
    .describe("the members that were asked, with their device keys"),
  statements: z
    .array(z.string().max(maxWitnessChars))
    .max(maxWitnesses)
    .exactOptional()
    .describe("hamlet-witness, each by a member"),
  verdictSeconds: VerdictSeconds.exactOptional().describe(
    "the owner's setting; only the release that arms a trial is asked for it, never the one on trial",
  ),
});
export type Evidence = z.infer<typeof Evidence>;

export const updaterPaths = {
  /** Body `{ report }`; answers `{ request? }`. */
  wait: "/v1/updater/wait",
  /** Body `{ report }`; answers `{}` at once. */
  report: "/v1/updater/report",
  /** Body BytesRequest; answers application/octet-stream. `update.notThere`: the repository has no such file. */
  bytes: "/v1/updater/bytes",
  /** Header `packedHeader` PackedRequest, body the dictionary; answers as `bytes`. `update.noRanges`: the pack cannot be had in parts. */
  packed: "/v1/updater/packed",
  /** Body EvidenceRequest; answers Evidence. */
  evidence: "/v1/updater/evidence",
} as const;
export const packedHeader = "hamlet-packed";
/** The longest dictionary (ota/format/recipe.ts). */
export const maxPackedBodyBytes = maxUnpackedBytes + (256 << 10);
/** Header of the agent's answer to `bytes` and `packed`, error or not: how many bytes the network carried for it. */
export const carriedHeader = "hamlet-carried";
export const WaitBody = z.object({ report: UpdateReport });
export const WaitAnswer = z.object({ request: UpdateRequest.exactOptional() });
