// Runs in the guest: takes jobs from the shared folder one by one and writes their results there.
import { appendFileSync } from "node:fs";
import { access, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const share = process.argv[2]!;
const put = async (name: string, content: string) => {
  await writeFile(join(share, `${name}.tmp`), content);
  await rename(join(share, `${name}.tmp`), join(share, name));
};
const tell = (step: string) =>
  appendFileSync(join(share, "told"), `${(performance.now() / 1000).toFixed(1)} s: ${step}\n`);
await put("ready", "");
for (let count = 1; ; ) {
  const path = join(share, `job-${count}.json`);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    await wait(50);
    continue;
  }
  let answer: { result: unknown } | { error: string };
  try {
    const { name } = JSON.parse(await readFile(path, "utf8"));
    tell(`scenario ${name}`);
    const scenario = await import(new URL(`scenarios/${name}.ts`, import.meta.url).href);
    answer = { result: (await scenario.default(tell)) ?? null };
  } catch (error) {
    answer = {
      error: error instanceof Error ? `${error.stack}${error.cause ? `\n${error.cause}` : ""}` : String(error),
    };
  }
  await put(`result-${count}.json`, JSON.stringify(answer));
  count += 1;
}
