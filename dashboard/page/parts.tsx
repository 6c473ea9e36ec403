// Components that both pages share.
import type { ComponentChildren } from "preact";
import type { Status } from "../../agent/api/schema.ts";
import { consequencesOf, originsOf } from "../../agent/health/consequences.ts";
import { duration } from "../words.ts";
import type { News } from "./live.ts";

type State = Status["members"][number]["state"] | "updating";
const signs: Record<State, string> = { alive: "●", suspect: "◐", dead: "○", left: "–", updating: "↻" };

/** Shows a state as a sign and a word; the color only repeats them. */
export const StateMark = ({ state }: { state: State }) => (
  <span class={`state ${state}`}>
    <span aria-hidden="true">{signs[state]}</span> {state}
  </span>
);

export const LinkMark = ({ news }: { news: News }) => (
  <p class={`live ${news.link}`} role="status">
    <span aria-hidden="true">{news.link === "live" ? "●" : "○"}</span>{" "}
    {news.link === "live" ? "live" : "the device does not answer; reconnecting, this data is old"}
  </p>
);

export const Section = ({ title, id, children }: { title: string; id: string; children: ComponentChildren }) => (
  <section aria-labelledby={id}>
    <h2 id={id}>{title}</h2>
    {children}
  </section>
);

export const Facts = ({ facts }: { facts: Record<string, ComponentChildren> }) => (
  <dl class="facts">
    {Object.entries(facts).map(([term, fact]) => (
      <div key={term}>
        <dt>{term}</dt>
        <dd>{fact}</dd>
      </div>
    ))}
  </dl>
);

/** A region that scrolls sideways on a phone, by keyboard too. */
export const Scroll = ({ label, children }: { label: string; children: ComponentChildren }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard (WCAG 2.1.1)
  <section class="scroll" aria-label={label} tabIndex={0}>
    {children}
  </section>
);

type Shown = { code: string; severity?: string; message: string; hint: string; since?: number; follows?: string };
/** Lists consequences below the warning that they follow from. */
export function WarningList({ warnings, now }: { warnings: Shown[]; now?: number }) {
  const origins = originsOf(warnings);
  if (origins.length === 0) return <p class="calm">Nothing is wrong.</p>;
  return (
    <ul class="warnings">
      {origins.map(({ code, severity = "warning", message, hint, since }) => (
        <li key={`${code} ${message}`} class={severity}>
          <p class="what">{message}</p>
          {consequencesOf(code, warnings).map((consequence) => (
            <p class="hence" key={`${consequence.code} ${consequence.message}`}>
              Hence: {consequence.message}
            </p>
          ))}
          <p class="hint">
            <b>Next:</b> {hint}
          </p>
          <p class="meta">
            {severity} <code>{code}</code>
            {since !== undefined && now !== undefined && <> · since {duration((now - since) / 1000)}</>}
          </p>
        </li>
      ))}
    </ul>
  );
}

/** Values over time, newest on the right; `label` describes them for screen readers. */
export function Sparkline({ values, max, label }: { values: number[]; max?: number; label: string }) {
  const [width, height] = [96, 24];
  if (values.length < 2) return null;
  const top = Math.max(max ?? 0, ...values) || 1;
  const step = width / (values.length - 1);
  const points = values.map((value, index) => [index * step, height - 2 - (value / top) * (height - 4)]);
  const line = points.map(([x = 0, y = 0]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label} preserveAspectRatio="none">
      <polygon points={`0,${height} ${line} ${width},${height}`} />
      <polyline points={line} />
    </svg>
  );
}
