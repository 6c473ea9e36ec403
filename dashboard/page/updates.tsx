// What the device runs, what is newer, and how far an update is. People begin one here, on the page of `hamlet open`, or with `hamlet update now`.
import type { UpdateStatus } from "../../agent/api/schema.ts";
import { activityText, endText, share } from "../update-words.ts";
import { duration } from "../words.ts";
import { Press } from "./buttons.tsx";
import { Facts, Section } from "./parts.tsx";

export function Updates({ update, now }: { update: UpdateStatus; now: number }) {
  const { running, newest, checkedAtMs, activity, earlier, last, failed } = update;
  const ago = (atMs: number) => `${duration((now - atMs) / 1000)} ago`;
  return (
    <Section title="Updates" id="updates">
      {activity.phase !== "idle" && <p role="status">{activityText(activity, now)}</p>}
      {"totalBytes" in activity && <progress aria-label="Update" value={share(activity)} />}
      <Facts
        facts={{
          Running: `${running.version} (slot ${running.slot})`,
          "Newest release": newest ?? "unknown",
          "Last check": checkedAtMs === undefined ? "never" : ago(checkedAtMs),
          ...(earlier !== undefined && { "Release before": earlier }),
          ...(last && { "Last update": `${endText(last)}, ${ago(last.atMs)}` }),
          ...(failed.length > 0 && { "Failed releases": failed.join(", ") }),
        }}
      />
      {activity.phase === "idle" && (
        <Press
          path="/v1/update"
          body={{ kind: "now" }}
          label="Update now"
          confirm="The device restarts once it has written the release: update"
          done="asked: the device looks for a release"
        />
      )}
    </Section>
  );
}
