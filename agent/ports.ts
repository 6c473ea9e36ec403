// Ports that settings give to two parts of the agent at once. The second could not listen: the device would stay without a mesh, and its
// hint would lead to the agent itself.
// Pure.

type Ports = {
  link: { helloPort: number; pagePort: number };
  mesh: { listenPort: number; dnsPort: number };
  cluster: { port: number };
  telemetry: { port: number };
  update: { lendPort: number };
};
export type PortClash = { path: [string, string]; message: string };

const multicastDns = 5353;

/** The page may share its port with hello: one server listens there for both. */
export function portClashes({ link, mesh, cluster, telemetry, update }: Ports): PortClash[] {
  const tcp: [string, number][] = [
    ["link.helloPort", link.helloPort],
    ["cluster.port", cluster.port],
    ["telemetry.port", telemetry.port],
    ["update.lendPort", update.lendPort],
    ...(link.pagePort === 0 || link.pagePort === link.helloPort
      ? []
      : [["link.pagePort", link.pagePort] as [string, number]]),
  ];
  // WireGuard and multicast DNS listen at every address, the others at one of their own.
  const everywhere: [string, number][] = [["multicast DNS", multicastDns]];
  const wireguard: [string, number] = ["mesh.listenPort", mesh.listenPort];
  const others: [string, number][] = [
    ["cluster.port", cluster.port],
    ...(mesh.dnsPort === 0 ? [] : [["mesh.dnsPort", mesh.dnsPort] as [string, number]]),
  ];
  return [
    ...tcp.flatMap((one, index) => clash("TCP", one, tcp.slice(0, index))),
    ...clash("UDP", wireguard, everywhere),
    ...others.flatMap((one) => clash("UDP", one, [...everywhere, wireguard])),
  ];
}

function clash(protocol: string, [name, port]: [string, number], taken: readonly [string, number][]): PortClash[] {
  const by = taken.find(([, other]) => other === port)?.[0];
  if (by === undefined) return [];
  const [group = "", key = ""] = name.split(".");
  return [{ path: [group, key], message: `${protocol} port ${port} is that of ${by} already: give it another one` }];
}
