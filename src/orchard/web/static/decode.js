// From a photo to the squares that the network is shown; the browser reads the file.
import { Views } from "./pixels.js";

const STRIP = 128; // rows held as bytes at once

export class Unreadable extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

// photo: a Blob, or an ImageBitmap, which is closed. network: of classifier.json.
export async function squares(photo, { views, size, max_pixels, ignores_profiles }) {
  const bitmap = await drawn(photo, ignores_profiles);
  try {
    const { width, height } = bitmap;
    if (width * height > max_pixels) throw new Unreadable("too_many_pixels");
    const seen = new Views(views, width, height, size);
    const context = canvas(width, Math.min(STRIP, height));
    for (let top = 0; top < height; top += STRIP) {
      const n = Math.min(STRIP, height - top);
      context.fillRect(0, 0, width, n); // what is transparent is seen on white
      context.drawImage(bitmap, 0, -top);
      seen.take(context.getImageData(0, 0, width, n).data, top, n);
    }
    return seen.squares();
  } finally {
    bitmap.close();
  }
}

async function drawn(photo, ignoresProfiles) {
  if (photo instanceof ImageBitmap) return photo;
  const colorSpaceConversion = ignoresProfiles ? "none" : "default";
  try {
    return await createImageBitmap(photo, { imageOrientation: "from-image", colorSpaceConversion });
  } catch {
    throw new Unreadable("unreadable");
  }
}

function canvas(width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Unreadable("too_many_pixels");
  context.imageSmoothingEnabled = false;
  context.fillStyle = "#fff";
  return context;
}
