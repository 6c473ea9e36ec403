// The addresses of a mesh on loopback, and a port that is free on them.
import { createServer } from "node:net";

export const neighborhood = "n".repeat(26);
export const addresses: Record<string, string> = {
  ...{ attic: "127.0.0.2", cellar: "127.0.0.3", kitchen: "127.0.0.4", shed: "127.0.0.5" },
};
export const idOf = (address: string) => Object.keys(addresses).find((id) => addresses[id] === address);

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.2", port: 0 }, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
