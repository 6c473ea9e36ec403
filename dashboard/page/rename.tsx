// Renames this device, on the page of `hamlet open`.
import { useState } from "preact/hooks";
import { press, RefusalText, useIsOffered } from "./buttons.tsx";

export function Rename({ name }: { name: string }) {
  const [typed, setTyped] = useState("");
  const [refusal, setRefusal] = useState<Awaited<ReturnType<typeof press>>>();
  if (!useIsOffered("/v1/rename")) return null;
  const wanted = typed.trim();
  const rename = async () => {
    const refused = await press("/v1/rename", { name: wanted });
    setRefusal(refused);
    if (!refused) setTyped("");
  };
  return (
    <form
      id="rename"
      onSubmit={(event) => {
        event.preventDefault();
        void rename();
      }}
    >
      <label>
        New name{" "}
        <input value={typed} onInput={({ currentTarget }) => setTyped(currentTarget.value)} autocomplete="off" />
      </label>{" "}
      <button type="submit" disabled={wanted === "" || wanted === name}>
        Rename
      </button>
      <RefusalText refusal={refusal} />
    </form>
  );
}
