// What one device knows of rollouts, and what can happen to that.
// Pure: types, and the view that knows nothing. Times named `...AtMs` and `...SinceMs` are monotonic unless they say wall.

/** A wave holds this share of the devices, in percent, or the one that goes first. */
export type Wave = "canary" | number;

/** What an operator has signed. The whole document comes again with each number. */
export type Order = {
  readonly rollout: string;
  readonly number: number;
  readonly state: "running" | "paused" | "aborted";
  /** Waves that need no soak and no threshold any more. */
  readonly promoted: number;
  readonly release: string;
  readonly waves: readonly Wave[];
  readonly soakSeconds: number;
  readonly successPercent: number;
  readonly maxFailures?: number | undefined;
  readonly maxUnavailable: number;
  /** `02:00-05:00` by the device's own time. */
  readonly window?: string | undefined;
  readonly tag?: string | undefined;
  /** ms since 1970: when its first document was signed. */
  readonly startedAt: number;
  /** No operator ordered it. `window`: what the publisher wanted, whether or not this device knows the hour. */
  readonly auto?: { readonly publisher: string; readonly isRefused: boolean; readonly window?: string };
};
/** `operators`: the names of who signed it, two if they disagree. `because`: why it is paused although its document may say otherwise. */
export type KnownOrder = {
  readonly order: Order;
  readonly operators: readonly string[];
  readonly because?: "operatorsDisagree" | "operatorRevoked" | undefined;
  /** Since when this device has known it to stand so. */
  readonly sinceMs?: number;
};
/** `lastsMs`: for how long it was signed. */
export type Hold = {
  readonly device: string | "all";
  readonly untilWallMs: number;
  readonly lastsMs: number;
  readonly reason: string;
};
export type HeardHold = Hold & { readonly heardAtMs: number };

export type Duty = "relay" | "gateway" | "uplink";
export type Member = {
  readonly id: string;
  readonly release: string;
  readonly board?: string | undefined;
  readonly tags: readonly string[];
  readonly duties: readonly Duty[];
  /** Since when it does not answer; undefined while it does. */
  readonly absentSinceMs?: number | undefined;
  /** It has said goodbye, or an operator has given it up, so nobody waits for it. */
  readonly hasLeft?: boolean | undefined;
};

/** A device says so of an automatic rollout that its owner does not want there. */
export const autoOff = "update.autoOff";

/**
 * A device's signed word about itself. `began`: it has the lease and restarts. `unfit`: the release is not for it. `fellBack`: it had
 * committed the release, and runs another again. `stayed`: it began or is to begin, and still runs the release before, for a reason that
 * says nothing of this one; without a check, that reason is gone.
 */
export type Outcome = "began" | "updated" | "failed" | "fellBack" | "stayed" | "unfit";
export type Result = {
  readonly device: string;
  /** Counts this device's words: a higher one takes the place of all before. */
  readonly said: number;
  readonly rollout: string;
  /** Number of the order under which the device acted. */
  readonly order: number;
  readonly release: string;
  readonly outcome: Outcome;
  /** Code of the check that failed, or of why the release is not for it. */
  readonly check?: string | undefined;
  /** How long the trial may take, of one that began. */
  readonly trialSeconds?: number | undefined;
  /** Of the system that ran when it was said. */
  readonly rootHash?: string | undefined;
};
export type HeardResult = Result & {
  readonly heardAtMs: number;
  readonly tries?: Tries | undefined;
  /** In other rollouts. */
  readonly elsewhere?: readonly (Tries & { readonly rollout: string })[] | undefined;
};
/** How often a device has begun without an end to it while this was the newest number here. */
export type Tries = { readonly number: number; readonly count: number };

/** What this device's updater does. */
export type Updater =
  /** `none`: this machine runs no image, so nothing can be installed. */
  | { readonly phase: "none" | "silent" | "free" | "busy" }
  | { readonly phase: "preparing"; readonly release: string; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly phase: "ready" | "restarting" | "trying"; readonly release: string }
  /** `isFinal`: it does not try again by itself. `isReady`: it has the release, and only the restart was refused. */
  | {
      readonly phase: "refusing";
      readonly release?: string | undefined;
      readonly code: string;
      readonly isFinal: boolean;
      readonly isReady?: boolean;
    };
/** The root hash that the signed manifest of a release names for this device's board. */
export type SignedRoot = { readonly release: string; readonly rootHash: string };
export type KnownRoot = SignedRoot & { readonly sinceMs: number };
/** Why this device's updater does not go on, since it last did: a check begins and ends many times while the same trouble lasts. */
export type Trouble = { readonly code: string; readonly release?: string | undefined; readonly sinceMs: number };
/** How the last update of this device ended. */
export type Ended = {
  readonly from: string;
  readonly to: string;
  readonly outcome: "committed" | "failed" | "void" | "left" | "rescued";
  readonly check?: string | undefined;
  /** ms since 1970, by which one end is told from another. */
  readonly atWallMs: number;
};

/** Where this device stands in its own update. */
export type Own =
  | { readonly step: "resting" }
  | { readonly step: "asking"; readonly rollout: string; readonly sinceMs: number }
  /** It has the lease and has asked its updater for the restart. On disk, so that it goes on after the restart. */
  | {
      readonly step: "away";
      readonly rollout: string;
      readonly order: number;
      readonly release: string;
      /** When the updater was last seen at it; before that, when it was asked. */
      readonly sinceMs: number;
      readonly trialSeconds: number;
      /** The end that was the last before. */
      readonly lastEndWallMs: number;
    };

/**
 * `held`: somebody else has the lease. `noMajority`: too few voters answer. `settling`: voters have just restarted. `awaits`: the voters
 * that do not answer, or the member that may know what those have forgotten.
 */
export type Denial = {
  readonly by: "held" | "noMajority" | "settling";
  readonly holder?: string | undefined;
  readonly awaits?: readonly string[] | undefined;
  readonly sinceMs: number;
  readonly untilMs?: number | undefined;
  readonly askAgainAtMs: number;
};
/** Somebody is at work on this device. `who`: the name of a program that asked systemd not to restart. */
export type Busy = {
  readonly what: "session" | "install" | "inhibitor";
  readonly who?: string | undefined;
  readonly sinceMs: number;
};

/** What this device has concluded of one rollout and never takes back. On disk. */
export type Progress = {
  /** Waves before this one have ended. */
  readonly wave: number;
  readonly waveSinceMs: number;
  readonly isFinished: boolean;
  /** Nobody is left to begin with: it has not ended, and stands in the way of no newer one. */
  readonly hasNobody?: true | undefined;
  /** A threshold was crossed under the order of this number. */
  readonly pausedAt?: number | undefined;
  readonly pausedSinceMs?: number | undefined;
  /** Until then it was stopped or held back, so that nobody had anything to say. */
  readonly quietSinceMs?: number | undefined;
  /** How long absences have delayed it so far. */
  readonly delayedMs: number;
  /** When somebody was last away in hours in which others might have restarted. */
  readonly awayAtMs?: number | undefined;
  /** The newest number that this device has heard, and since when it has. */
  readonly heard?: HeardNumber | undefined;
};
/** `failed`: who had failed by then, by which word. The release before kept no such list, and goes by the time. */
export type HeardNumber = {
  readonly number: number;
  readonly sinceMs: number;
  readonly failed?: readonly { readonly device: string; readonly said: number }[] | undefined;
};

export type View = {
  readonly self: string;
  readonly orders: readonly KnownOrder[];
  readonly holds: readonly HeardHold[];
  readonly members: ReadonlyMap<string, Member>;
  /** The newest of each device. */
  readonly results: ReadonlyMap<string, HeardResult>;
  readonly progress: ReadonlyMap<string, Progress>;
  readonly own: Own;
  readonly updater: Updater;
  readonly ended?: Ended | undefined;
  readonly trouble?: Trouble | undefined;
  /** On disk: after a start the updater has verified nothing yet. */
  readonly roots: readonly KnownRoot[];
  readonly busy?: Busy | undefined;
  readonly denial?: Denial | undefined;
  /** On what this device waits, where nothing else tells since when. */
  readonly waiting?: { readonly on: "bytes" | "window"; readonly sinceMs: number } | undefined;
  readonly clock: Moment;
  /** When this device last saw that a time server had answered. */
  readonly answeredAtMs?: number | undefined;
  /** When this device last counted how long others are away, and saw a member come, go or report. */
  readonly countedAtMs?: number | undefined;
  readonly movedAtMs: number;
  /** Since when this device lets others go first, whoever comes, goes or speaks meanwhile. */
  readonly turnSinceMs?: number | undefined;
  readonly preparedAtMs?: number | undefined;
  /** When this device last told the others what keeps it. */
  readonly toldAtMs?: number | undefined;
  /** Until then this device only listens: it has just started. */
  readonly listenUntilMs: number;
  /** How long a trial may take on this device. */
  readonly trialSeconds: number;
};

/** `minute` of the day and `wallMs` by the device's clock; `unsyncedSinceMs`: since when no time server has answered. */
export type Moment = {
  readonly atMs: number;
  readonly wallMs: number;
  readonly minute: number;
  readonly unsyncedSinceMs?: number | undefined;
  /** Time zone of `minute`; undefined if nobody has told this device one. */
  readonly zone?: string | undefined;
};

export type Event =
  | { readonly kind: "orders"; readonly orders: readonly KnownOrder[]; readonly holds: readonly Hold[] }
  /** Everybody whom this device knows, itself included. */
  | { readonly kind: "members"; readonly members: readonly Member[] }
  /** Verified. */
  | { readonly kind: "result"; readonly result: Result }
  | { readonly kind: "granted" }
  | {
      readonly kind: "denied";
      readonly by: Denial["by"];
      readonly holder?: string;
      readonly awaits?: readonly string[];
      readonly untilMs?: number;
    }
  | { readonly kind: "leaseLost" }
  /** The lease ended before the updater was asked for the restart, or something came in the way, so it has not been. */
  | { readonly kind: "unasked" }
  | {
      readonly kind: "updater";
      readonly updater: Updater;
      readonly ended?: Ended | undefined;
      readonly roots?: readonly SignedRoot[];
    }
  | { readonly kind: "busy"; readonly busy: Busy | undefined }
  | { readonly kind: "clock"; readonly moment: Moment }
  | { readonly kind: "tick" };

export type Effect =
  /** Write the other slot and verify it, without a restart. */
  | { readonly kind: "prepare"; readonly release: string }
  | { readonly kind: "askLease" }
  | { readonly kind: "restart"; readonly release: string }
  | { readonly kind: "releaseLease" }
  | { readonly kind: "publish"; readonly result: Result };

/** What happened while a device was away reaches it by then: members exchange all they have every 30 s. */
export const listenMs = 35_000;

export const emptyView = (self: string, trialSeconds: number, nowMs: number): View => ({
  ...{ self, trialSeconds },
  ...{ orders: [], holds: [], members: new Map(), results: new Map(), progress: new Map(), roots: [] },
  own: { step: "resting" },
  updater: { phase: "silent" },
  clock: { atMs: nowMs, wallMs: 0, minute: 0 },
  movedAtMs: nowMs,
  listenUntilMs: nowMs + listenMs,
});

export const noProgress = (nowMs: number): Progress => ({
  ...{ wave: 0, waveSinceMs: nowMs, isFinished: false, delayedMs: 0 },
});
