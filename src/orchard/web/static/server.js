// A photo to the server, where the person chose so: made small here first, without place or date.
import { el } from "./show.js";

const SIDE = 1024; // pixels of the longer side that are sent: four times what the network sees

export const hasServer = document.documentElement.dataset.server === "on";

export async function small(file) {
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = el("canvas", {
      width: Math.max(1, Math.round(bitmap.width * scale)),
      height: Math.max(1, Math.round(bitmap.height * scale)),
    });
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return await new Promise((resolve) =>
      canvas.toBlob((blob) => resolve(blob ?? file), "image/jpeg", 0.92),
    );
  } catch {
    return file; // what the browser cannot draw, the server may still read, or say why not
  }
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
