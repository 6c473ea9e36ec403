// The button that moves a device from its USB stick to its internal disk; root on the device does it.
import { useState } from "preact/hooks";
import type { RequestBody, Status } from "../../agent/api/schema.ts";
import { bytes, count } from "../words.ts";
import { Section } from "./parts.tsx";

type Refusal = { message: string; hint?: string };
type Answer = { refusal: Refusal } | { uptimeS: number };

export function Install({ self, disk }: { self: Status["self"]; disk: NonNullable<Status["internalDisk"]> }) {
  const [typed, setTyped] = useState("");
  const [answer, setAnswer] = useState<Answer>();
  // The fragment of the address that `hamlet open` prints.
  const key = location.hash.slice(1);
  const what = [disk.model, bytes(disk.sizeBytes), count(disk.partitions, "partition")].filter(Boolean).join(", ");
  const move = async () => setAnswer(await requestInstall(key, { id: self.id, disk: disk.path }, self.uptimeS));
  // An agent that has started since then knows the outcome, and warns of a failure.
  if (answer && "uptimeS" in answer && self.uptimeS >= answer.uptimeS) {
    return (
      <Section title="Moving to the internal disk" id="install">
        <p role="status">
          {self.name} is copying itself to <code>{disk.path}</code>. Leave the stick in and the power on. It does not
          answer until it has finished; then this page shows the result.
        </p>
      </Section>
    );
  }
  return (
    <Section title="Move to the internal disk" id="install">
      <p>
        {self.name} runs from its USB stick. Its system and identity can move to its internal disk,{" "}
        <code>{disk.path}</code> ({what}). <b>This erases everything on that disk</b>, and {self.name} leaves the mesh
        for some minutes.
      </p>
      {key ? (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void move();
          }}
        >
          <label>
            Type the device's name to confirm{" "}
            <input value={typed} onInput={({ currentTarget }) => setTyped(currentTarget.value)} autocomplete="off" />
          </label>{" "}
          <button type="submit" disabled={typed.trim() !== self.name}>
            Move
          </button>
        </form>
      ) : (
        <p class="hint">
          To start the move here, open the address that <code>hamlet open</code> prints; or run{" "}
          <code>hamlet install</code> as root on the device.
        </p>
      )}
      {answer && "refusal" in answer && (
        <p class="refusal" role="alert">
          {answer.refusal.message}. {answer.refusal.hint && <>Next: {answer.refusal.hint}</>}
        </p>
      )}
    </Section>
  );
}

async function requestInstall(key: string, body: RequestBody<"/v1/install">, uptimeS: number): Promise<Answer> {
  try {
    const headers = { "content-type": "application/json", "x-hamlet-key": key };
    const response = await fetch("/v1/install", { method: "POST", headers, body: JSON.stringify(body) });
    return response.ok ? { uptimeS } : { refusal: (await response.json()) as Refusal };
  } catch {
    return { refusal: { message: "hamlet open does not answer", hint: "start it again" } };
  }
}
