// Signs a file with an SSH key by OpenSSH: publishers have such a key, and everyone has `ssh-keygen` to check. The neighborhood's
// root key is not used, because it signs nothing but membership.
import { readFile } from "node:fs/promises";
import type { Run } from "../../system/command.ts";
import { describeError, HamletError } from "../../system/error.ts";

/** OpenSSH's namespace for signatures of files; a signature is not valid in another namespace. */
const signatureNamespace = "file";

/** Writes `<path>.sig`. `keyPath`: a private key, or a public one whose private half is in the agent. Throws `publish.signFailed`. */
export async function signFile(path: string, keyPath: string, run: Run): Promise<void> {
  // It may ask for a passphrase on the terminal, so it gets time.
  const argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", signatureNamespace, "-f", keyPath, path] as const;
  const refuse = (cause: unknown) => {
    throw new HamletError("publish.signFailed", `nothing was signed with ${keyPath}: ${describeError(cause)}`, {
      hint: "make a key with ssh-keygen -t ed25519, readable by you alone; what was published before is intact",
      cause,
    });
  };
  await run(argv, { timeoutMs: 300_000 }).catch(refuse);
  const signature = await readFile(`${path}.sig`, "utf8").catch(refuse);
  if (!signature?.startsWith("-----BEGIN SSH SIGNATURE-----")) refuse(new Error("ssh-keygen left no signature"));
}
