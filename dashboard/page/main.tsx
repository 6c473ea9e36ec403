// Entry point: subscribes to the device and shows the full or the public page, depending on the status that it gets.
/// <reference types="vite/client" />
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { OfferedButtons, useOffered } from "./buttons.tsx";
import { FullPage } from "./full.tsx";
import { listen, type News } from "./live.ts";
import { PublicPage } from "./public.tsx";
import "./style.css";

function Page() {
  const [news, setNews] = useState<News>({ link: "connecting", histories: new Map() });
  const offered = useOffered();
  useEffect(() => listen(setNews), []);
  const { status } = news;
  useEffect(() => {
    if (!status) return;
    document.title =
      "members" in status ? `${status.neighborhood?.name ?? status.self.name} · Hamlet` : `${status.name} · Hamlet`;
  }, [status]);
  if (!status) {
    return (
      <main class="alone">
        <h1>Hamlet</h1>
        <p role="status">
          {news.link === "lost" ? "The device does not answer. Trying again." : "Connecting to the device."}
        </p>
        {news.trouble && <p class="hint">{news.trouble}</p>}
      </main>
    );
  }
  return "members" in status ? (
    <OfferedButtons value={offered}>
      <FullPage status={status} news={news} />
    </OfferedButtons>
  ) : (
    <PublicPage status={status} news={news} />
  );
}

render(<Page />, document.getElementById("page")!);
