// The button that moves a device from its USB stick to its internal disk; root on the device does it.
import { useState } from "preact/hooks";
import type { Status } from "../../agent/api/schema.ts";
import { bytes, count } from "../words.ts";
import { press, RefusalText, useIsOffered } from "./buttons.tsx";
import { Section } from "./parts.tsx";

type Answer = { refusal: NonNullable<Awaited<ReturnType<typeof press>>> } | { uptimeS: number };

export function Install({ self, disk }: { self: Status["self"]; disk: NonNullable<Status["internalDisk"]> }) {
  const [typed, setTyped] = useState("");
  const [answer, setAnswer] = useState<Answer>();
  const mayMove = useIsOffered("/v1/install");
  const what = [disk.model, bytes(disk.sizeBytes), count(disk.partitions, "partition")].filter(Boolean).join(", ");
  const move = async () => {
    const refusal = await press("/v1/install", { id: self.id, disk: disk.path });
    setAnswer(refusal ? { refusal } : { uptimeS: self.uptimeS });
  };
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
      {mayMove ? (
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
      <RefusalText refusal={answer && "refusal" in answer ? answer.refusal : undefined} />
    </Section>
  );
}
