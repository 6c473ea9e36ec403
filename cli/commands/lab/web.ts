// `lab web`: shows what the lab's web serves, and who took how many bytes from it.
import { deviceNames } from "../../../image/lab/machine/devices.ts";
import { deviceAddress, labLan } from "../../../image/lab/network/dhcp.ts";
import { findLab } from "../../../image/lab/supervisor/client.ts";
import { followRequests, readRequests } from "../../../image/lab/web/follow.ts";
import { takersOf, type WebRequest } from "../../../image/lab/web/requests.ts";
import { noWeb } from "../../../image/lab/web/web.ts";
import type { Command } from "../../terminal/command.ts";
import { jsonLines } from "../../terminal/output.ts";
import { catchStop } from "../../terminal/stop.ts";
import { table } from "../../terminal/table.ts";

export const labWeb: Command = {
  usage: "lab web [--follow] [--json]",
  summary: "show what the lab's web serves, and who took how many bytes from it",
  example: "hamlet lab web --follow",
  details: `
The web is a host of its own on the virtual LAN. It serves the lab's update repository, with ranges as large web servers do.
hamlet lab cut --web takes it off the network.`,
  options: {
    follow: { type: "boolean", describe: "show each request, and go on until Ctrl-C" },
    json: { type: "boolean", describe: "print it as JSON; with --follow, one line a request" },
  },
  async run({ values }, { print, unread }) {
    const lab = await findLab();
    const { web } = await lab.status();
    if (!web) throw noWeb();
    if (values["follow"]) {
      const { signal, exitCode } = catchStop();
      const over = new AbortController();
      const isOver = () => over.abort();
      lab.follow(() => {}, signal).then(isOver, isOver);
      const show = (request: WebRequest) => print(values["json"] ? JSON.stringify(request) : requestLine(request));
      await followRequests(web.requests, show, AbortSignal.any([signal, over.signal, ...(unread ? [unread] : [])]));
      return signal.aborted ? exitCode() : 0;
    }
    const requests = await readRequests(web.requests);
    const takers = takersOf(requests).map((taker) => ({ ...taker, name: nameOf(taker.client) }));
    if (values["json"]) {
      print(...jsonLines({ ...web, takers }));
      return 0;
    }
    const state = web.isPartitioned ? "its cable is pulled" : web.problem ? `down: ${web.problem}` : web.state;
    print(`${web.url} serves ${web.folder} (${state})`, `each request: ${web.requests}`);
    const rows = takers.map(({ name, requests: count, bytes }) => [name, String(count), String(bytes)]);
    if (rows.length > 0) print(...table([["who", "requests", "bytes"], ...rows]));
    return 0;
  },
};

/** Of a device by its fixed address; others keep their address as name. */
function nameOf(client: string): string {
  return deviceNames.find((_, index) => deviceAddress(labLan, index) === client) ?? client;
}

const requestLine = ({ atMs, client, method, path, range, status, bytes }: WebRequest): string =>
  [
    new Date(atMs).toISOString(),
    nameOf(client),
    method,
    path,
    ...(range ? [range] : []),
    status,
    `${bytes} bytes`,
  ].join(" ");
