// One hostile member can cost its own seat and nothing else: what each attack gains now. The attacker is an admitted device, or whoever
// kept the secret of its token.
import { expect, test } from "vitest";
import { makeWorld, verdict } from "./world.ts";

test("t2-wireguard-key: a member that claims another's WireGuard key keeps nobody out", async () => {
  await using world = await makeWorld();
  const [victim, newcomer] = [await world.device("attic"), await world.device("porch")];
  const mallory = await world.evil("mallory");
  const { membership } = await world.know(newcomer);
  // She greets the newcomer before the victim does.
  await membership.receive({ record: await mallory.say({ wireguardKey: victim.wireguard.publicKey }) });
  expect(verdict(await membership.receive({ record: victim.jws }))).toBe("member");
  const { membership: again } = await world.know(newcomer);
  expect(verdict(await again.receive({ record: victim.jws }))).toBe("member");
});
