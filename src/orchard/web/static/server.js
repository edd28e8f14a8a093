// A photo to the server, where the person chose so: made small here first, without place or date.
export const hasServer = document.documentElement.dataset.server === "on";

// What the browser cannot draw stays as it is: the server may still read it, or say why not.
export function small(file) {
  return new Promise((resolve) => {
    const worker = new Worker("smaller.js");
    const done = (photo) => {
      worker.terminate();
      resolve(photo);
    };
    worker.onmessage = ({ data }) => done(data ?? file);
    worker.onerror = () => done(file);
    worker.postMessage(file);
  });
}

export async function identifyThere(photo, language) {
  const headers = {
    "content-type": photo.type.startsWith("image/") ? photo.type : "application/octet-stream",
  };
  try {
    const response = await fetch(`api/identify?lang=${language}`, {
      method: "POST",
      headers,
      body: await small(photo),
    });
    const content = await response.json();
    return response.ok ? content : { problem: content.code ?? "other" };
  } catch {
    return { problem: "network" };
  }
}
