// What the report draws with: the map and the 3-D view (deck.gl), the other charts (Observable Plot).
export {Deck, OrthographicView, OrbitView, LinearInterpolator} from "@deck.gl/core";
export {LineLayer, ScatterplotLayer} from "@deck.gl/layers";
export {plot, areaY, lineY, rectY, ruleX, ruleY, text, tip, pointerX} from "@observablehq/plot";
