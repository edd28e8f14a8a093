// From a photo to the squares that the network is shown; the browser reads the file.
import { box } from "./crop.js";
import { Views } from "./pixels.js";

const STRIP = 128; // rows held as bytes at once

export class Unreadable extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

// photo: a Blob, or an ImageBitmap, which is closed. network: of classifier.json. part: of crop.js.
export async function squares(photo, { views, size, max_pixels, ignores_profiles }, part) {
  const bitmap = await drawn(photo, ignores_profiles);
  try {
    if (bitmap.width * bitmap.height > max_pixels) throw new Unreadable("too_many_pixels");
    const [left, above, right, below] = part
      ? box(part, bitmap.width, bitmap.height)
      : [0, 0, bitmap.width, bitmap.height];
    const [width, height] = [right - left, below - above];
    const seen = new Views(views, width, height, size);
    const context = canvas(width, Math.min(STRIP, height));
    for (let top = 0; top < height; top += STRIP) {
      const n = Math.min(STRIP, height - top);
      context.fillRect(0, 0, width, n); // what is transparent is seen on white
      context.drawImage(bitmap, -left, -above - top);
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
