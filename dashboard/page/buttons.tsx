// Buttons, on the page of `hamlet open` alone: its address has a key in the fragment, which the browser keeps to itself.
import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { ButtonBody, ButtonPath } from "../api/buttons.ts";

type Refusal = { message: string; hint?: string };
const key = location.hash.slice(1);
const headers = { "content-type": "application/json", "x-hamlet-key": key };

const Offered = createContext<readonly string[]>([]);
export const OfferedButtons = Offered.Provider;
export const useIsOffered = (path: ButtonPath): boolean => useContext(Offered).includes(path);

/** Which buttons there are: none without the key. */
export function useOffered(): readonly string[] {
  const [offered, setOffered] = useState<readonly string[]>([]);
  useEffect(() => {
    if (!key) return;
    fetch("/v1/buttons", { headers })
      .then((answer) => (answer.ok ? (answer.json() as Promise<{ buttons: string[] }>) : undefined))
      .then((told) => told && setOffered(told.buttons))
      .catch(() => {});
  }, []);
  return offered;
}

/** Undefined once it is done. */
export async function press<Path extends ButtonPath>(path: Path, body: ButtonBody<Path>): Promise<Refusal | undefined> {
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    return answer.ok ? undefined : ((await answer.json()) as Refusal);
  } catch {
    return { message: "hamlet open does not answer", hint: "start it again" };
  }
}

export const RefusalText = ({ refusal }: { refusal: Refusal | undefined }) =>
  refusal ? (
    <p class="refusal" role="alert">
      {refusal.message}. {refusal.hint && <>Next: {refusal.hint}</>}
    </p>
  ) : null;

type Step = { at: "ready" | "asked" | "busy" | "done" } | { at: "refused"; refusal: Refusal };

/** A button that says what it will do before it does it, and then what came of it. */
export function Press<Path extends ButtonPath>({
  path,
  body,
  label,
  confirm,
  done,
}: {
  path: Path;
  body: ButtonBody<Path>;
  label: string;
  /** The label of the second button, which does it. */
  confirm: string;
  done: string;
}) {
  const [step, setStep] = useState<Step>({ at: "ready" });
  if (!useIsOffered(path)) return null;
  const act = async () => {
    setStep({ at: "busy" });
    const refusal = await press(path, body);
    setStep(refusal ? { at: "refused", refusal } : { at: "done" });
  };
  switch (step.at) {
    case "ready":
    case "refused":
      return (
        <>
          <button type="button" onClick={() => setStep({ at: "asked" })}>
            {label}
          </button>
          <RefusalText refusal={step.at === "refused" ? step.refusal : undefined} />
        </>
      );
    case "asked":
      return (
        <>
          <button type="button" onClick={() => void act()}>
            {confirm}
          </button>{" "}
          <button type="button" onClick={() => setStep({ at: "ready" })}>
            Cancel
          </button>
        </>
      );
    case "busy":
      return <span role="status">one moment</span>;
    case "done":
      return <span role="status">{done}</span>;
  }
}
