// The table of metrics: the newest of each device by MQTT, and the last minutes as curves.
import type { ComponentChildren } from "preact";
import type { MemberStatus, Metrics } from "../../agent/api/schema.ts";
import { bytes, duration, percent } from "../words.ts";
import { byName, Cell } from "./members.tsx";
import { Scroll, Sparkline } from "./parts.tsx";

type Props = { members: MemberStatus[]; histories: ReadonlyMap<string, Metrics[]>; now: number };

export function MetricsTable({ members, histories, now }: Props) {
  const reporting = members.filter(({ metrics }) => metrics).sort(byName);
  if (reporting.length === 0)
    return <p class="calm">No device has reported metrics yet. The first arrive within 10 seconds.</p>;
  return (
    <Scroll label="Metrics of each device">
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Processor</th>
            <th scope="col">Memory in use</th>
            <th scope="col">Mesh traffic</th>
            <th scope="col">Disk free</th>
            <th scope="col">Temperature</th>
            <th scope="col">Agent</th>
            <th scope="col">Read</th>
          </tr>
        </thead>
        <tbody>
          {reporting.map(
            ({ id, name, metrics }) =>
              metrics && <Row key={id} name={name} metrics={metrics} history={histories.get(id) ?? []} now={now} />,
          )}
        </tbody>
      </table>
    </Scroll>
  );
}

function Row({ name, metrics, history, now }: { name: string; metrics: Metrics; history: Metrics[]; now: number }) {
  const used = (at: Metrics) => 1 - at.memoryAvailable / at.memoryTotal;
  const traffic = rates(history);
  return (
    <tr>
      <th scope="row">{name}</th>
      <Cell label="Processor">
        <Reading text={percent(metrics.cpu)}>
          <Sparkline values={history.map(({ cpu }) => cpu)} max={1} label={`processor of ${name} over time`} />
        </Reading>
      </Cell>
      <Cell label="Memory in use">
        <Reading text={percent(used(metrics))}>
          <Sparkline values={history.map(used)} max={1} label={`memory of ${name} over time`} />
        </Reading>
      </Cell>
      <Cell label="Mesh traffic">
        <Reading text={traffic.length > 0 ? `${bytes(traffic.at(-1))}/s` : bytes(metrics.meshRx + metrics.meshTx)}>
          <Sparkline values={traffic} label={`mesh traffic of ${name} over time`} />
        </Reading>
      </Cell>
      <Cell label="Disk free">{bytes(metrics.dataFree)}</Cell>
      <Cell label="Temperature">
        {metrics.temperatureC === undefined ? "" : `${metrics.temperatureC.toFixed(0)} °C`}
      </Cell>
      <Cell label="Agent">{bytes(metrics.agentRss)}</Cell>
      <Cell label="Read">{duration((now - metrics.at) / 1000)} ago</Cell>
    </tr>
  );
}

const Reading = ({ text, children }: { text: string; children: ComponentChildren }) => (
  <span class="reading">
    <span>{text}</span> {children}
  </span>
);

/** Bytes per second over the mesh between consecutive samples; skips a counter that a reboot has reset. */
function rates(history: Metrics[]): number[] {
  return history.slice(1).flatMap((after, index) => {
    const before = history[index]!;
    const moved = after.meshRx + after.meshTx - before.meshRx - before.meshTx;
    return moved >= 0 && after.at > before.at ? [(1000 * moved) / (after.at - before.at)] : [];
  });
}
