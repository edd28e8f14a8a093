// A part of a photo that is looked at alone: a square of half its shorter side, in whole pixels.
const SIDE = 0.5;
const [LOW, MID, HIGH] = [0.2, 0.5, 0.8];
// Where a person without a finger or a mouse may put it: the middle of the part, as shares.
export const PLACES = {
  middle: { x: MID, y: MID },
  top: { x: MID, y: LOW },
  bottom: { x: MID, y: HIGH },
  left: { x: LOW, y: MID },
  right: { x: HIGH, y: MID },
  top_left: { x: LOW, y: LOW },
  top_right: { x: HIGH, y: LOW },
  bottom_left: { x: LOW, y: HIGH },
  bottom_right: { x: HIGH, y: HIGH },
};

// [left, top, right, bottom] of a part, moved where it lies within the photo.
export function box({ x, y }, width, height) {
  const side = Math.max(1, Math.round(SIDE * Math.min(width, height)));
  const first = (share, length) =>
    Math.round(Math.min(Math.max(share * length - side / 2, 0), length - side));
  const [left, top] = [first(x, width), first(y, height)];
  return [left, top, left + side, top + side];
}

// How an image that is shown whole (object-fit: contain) lies in its element, in CSS pixels.
function shown({ naturalWidth, naturalHeight, clientWidth, clientHeight }) {
  const scale = Math.min(clientWidth / naturalWidth, clientHeight / naturalHeight);
  const [width, height] = [scale * naturalWidth, scale * naturalHeight];
  return {
    scale,
    left: (clientWidth - width) / 2,
    top: (clientHeight - height) / 2,
    width,
    height,
  };
}

// The part about a point of the image's element; null beside the photo.
export function touched(image, { offsetX, offsetY }) {
  const { left, top, width, height } = shown(image);
  const [x, y] = [(offsetX - left) / width, (offsetY - top) / height];
  return x >= 0 && x <= 1 && y >= 0 && y <= 1 ? { x, y } : null;
}

// A frame about the part of the image that is looked at.
export function framed(frame, image, part) {
  frame.hidden = !part || !image.naturalWidth;
  if (frame.hidden) return;
  const { scale, left, top } = shown(image);
  const [first, upper, right] = box(part, image.naturalWidth, image.naturalHeight);
  const side = `${(right - first) * scale}px`;
  Object.assign(frame.style, {
    left: `${left + first * scale}px`,
    top: `${top + upper * scale}px`,
    width: side,
    height: side,
  });
}
