// A release root that a publisher could have made, as far as a builder looks at it.
import type { ReleaseRoot } from "../../../provisioning/file/update-source.ts";

const key = { keytype: "ed25519", scheme: "ed25519", keyval: { public: "ab".repeat(32) } };

export const releaseRoot = (change: Partial<ReleaseRoot["signed"]> = {}): ReleaseRoot => ({
  signed: {
    _type: "root",
    spec_version: "1.0.31",
    version: 1,
    expires: "2030-01-01T00:00:00Z",
    keys: { one: key, two: key, three: key },
    roles: { root: { keyids: ["one", "two", "three"], threshold: 2 } },
    ...change,
  },
  signatures: ["one", "two"].map((keyid) => ({ keyid, sig: "cd".repeat(64) })),
});
