// The service worker: registered, and asked to take over with a new version when the person says so.
const $ = (id) => document.getElementById(id);

export async function offline() {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  const registration = await workers.register("sw.js", { updateViaCache: "none" });
  const offer = (worker) => {
    if (!worker || !workers.controller) return; // the first one replaces nobody
    $("update").hidden = false;
    $("renew").onclick = () => {
      workers.addEventListener("controllerchange", () => location.reload(), { once: true });
      worker.postMessage("take over");
    };
  };
  offer(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const { installing } = registration;
    installing.addEventListener("statechange", () => {
      if (installing.state === "installed") offer(installing);
    });
  });
}
