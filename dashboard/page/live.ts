// The live status of the device, and its metrics of the last minutes for the curves.
import type { Metrics, PublicStatus, Status } from "../../agent/api/schema.ts";

export type News = {
  link: "connecting" | "live" | "lost";
  status?: Status | PublicStatus;
  /** When the status arrived, ms since 1970. */
  at?: number;
  /** The error that the device sent instead of a status. */
  trouble?: string;
  histories: ReadonlyMap<string, Metrics[]>;
};

/** Ten minutes at a message every 10 s. */
const keptSamples = 60;

export function listen(tell: (news: News) => void): () => void {
  let news: News = { link: "connecting", histories: new Map() };
  const become = (change: Partial<News>) => {
    news = { ...news, ...change };
    tell(news);
  };
  const events = new EventSource("/v1/events");
  events.onmessage = ({ data }) => {
    const status = JSON.parse(String(data)) as Status | PublicStatus;
    const { trouble: _over, ...rest } = news;
    news = rest;
    become({ link: "live", status, at: Date.now(), histories: grown(news.histories, status) });
  };
  events.addEventListener("trouble", ({ data }) => {
    become({ link: "lost", trouble: (JSON.parse(String(data)) as { message: string }).message });
  });
  // The browser reconnects by itself, after the delay that the device set.
  events.onerror = () => become({ link: "lost" });
  return () => events.close();
}

function grown(before: News["histories"], status: Status | PublicStatus): Map<string, Metrics[]> {
  const after = new Map(before);
  if (!("members" in status)) return after;
  for (const { id, metrics } of status.members) {
    const kept = after.get(id) ?? [];
    if (metrics && kept.at(-1)?.at !== metrics.at) after.set(id, [...kept, metrics].slice(-keptSamples));
  }
  return after;
}
