// From features to an answer: what orchard.classify does, on the same arrays.
// Symbols: d features, k components, c classes; the arrays are those of orchard.classify.portable.
const ABSENT = -1; // feature of a forest's leaf
const LEAST_SAID = 1e-9; // orchard.classify.together
const LEAST = 1e-3; // orchard.classify.heads: share of a forest's votes every class is credited with

export class Classifier {
  // arrays: of `portable`. about: classifier.json.
  constructor(arrays, about) {
    this.about = about;
    this.space = namedBy("space.", arrays);
    this.head = namedBy("head.", arrays);
    this.landmarks = arrays["landmarks.directions"];
  }

  // (d,) features → {likeness, probabilities (c,)}.
  probabilities(features) {
    const { inputs, likeness } = this.project(features);
    const logits = this.head.weights ? linear(this.head, inputs) : forest(this.head, inputs);
    return { likeness, probabilities: softmax(logits, this.about.temperature) };
  }

  answer(features, top = 5) {
    const { likeness, probabilities } = this.probabilities(features);
    return this.verdict(probabilities, likeness, top);
  }

  verdict(probabilities, likeness, top = 5) {
    const { classes, label } = this.about;
    const bySpecies = new Map();
    classes.forEach(({ species }, number) => {
      bySpecies.set(species, (bySpecies.get(species) ?? 0) + probabilities[number]);
    });
    const species = best([...bySpecies], Math.max(top, 2));
    const varieties =
      label === "fine"
        ? best(
            classes.map((one, i) => [one.label, probabilities[i]]),
            top,
          )
        : [];
    const [one, other] = species;
    const answer = heard(one.probability, likeness, this.about, other?.probability);
    return { answer, species: species.slice(0, top), varieties, likeness, probabilities };
  }

  // The head's inputs; likeness: 1 - |x - x̂|² / |x|², x̂ what projection leaves of the features,
  // plus the nearness of the landmarks.
  project(features) {
    const { mean, rows, scale, roots } = this.space;
    const d = mean.values.length;
    const k = roots.values.length;
    const centred = Float32Array.from(features, (value, j) => value - mean.values[j]);
    const scaled = Float64Array.from(centred, (value, j) => value / scale.values[j]);
    const inputs = new Float32Array(k);
    const rebuilt = new Float64Array(d);
    for (let i = 0; i < k; i++) {
      let sum = 0;
      for (let j = 0; j < d; j++) sum += rows.values[i * d + j] * scaled[j];
      for (let j = 0; j < d; j++) rebuilt[j] += sum * rows.values[i * d + j];
      inputs[i] = sum * roots.values[i];
    }
    let lost = 0;
    let whole = 0;
    for (let j = 0; j < d; j++) {
      lost += (centred[j] - rebuilt[j] * scale.values[j]) ** 2;
      whole += features[j] ** 2;
    }
    const likeness = 1 - lost / Math.max(whole, Number.MIN_VALUE);
    return { inputs, likeness: likeness + nearness(this.landmarks, features, Math.sqrt(whole)) };
  }
}

// The largest cosine between features and landmarks: orchard.classify.landmarks.
function nearness({ values, shape: [m, d] }, features, length) {
  let best = -1;
  for (let i = 0; i < m; i++) {
    let dot = 0;
    let square = 0;
    for (let j = 0; j < d; j++) {
      dot += features[j] * values[i * d + j];
      square += values[i * d + j] ** 2;
    }
    best = Math.max(best, dot / (Math.sqrt(square) || 1));
  }
  return best / (length || 1);
}

function namedBy(prefix, arrays) {
  const own = Object.entries(arrays).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, array]) => [name.slice(prefix.length), array]));
}

function linear({ weights, bias }, inputs) {
  const k = inputs.length;
  return Float64Array.from(bias.values, (logit, c) => {
    let sum = logit;
    for (let i = 0; i < k; i++) sum += weights.values[c * k + i] * inputs[i];
    return sum;
  });
}

function forest({ roots, feature, threshold, left, right, leaf, shares }, inputs) {
  const n = shares.shape[1];
  const sums = new Float64Array(n);
  for (const root of roots.values) {
    let node = root;
    while (feature.values[node] !== ABSENT)
      node =
        inputs[feature.values[node]] <= threshold.values[node]
          ? left.values[node]
          : right.values[node];
    const at = leaf.values[node] * n;
    for (let c = 0; c < n; c++) sums[c] += shares.values[at + c];
  }
  const whole = sums.reduce((total, sum) => total + sum, 0);
  return sums.map((sum) => Math.log(((1 - LEAST) * sum) / whole + LEAST / n));
}

export function softmax(logits, temperature) {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const shares = logits.map((logit) => Math.exp((logit - most) / temperature));
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
}

// Sorting is stable, as it is there: of equals the first comes first.
function best(pairs, top) {
  const sorted = pairs.map(([label, probability]) => ({ label, probability }));
  return sorted.sort((a, b) => b.probability - a.probability).slice(0, top);
}

// orchard.classify.verdict: what both signs together allow to be said.
export function heard(probability, likeness, { sure, familiar, fruit, confidence }, second = 0) {
  if (likeness + confidence * probability < fruit) return "not_a_fruit";
  const isFamiliar = likeness >= familiar;
  if (probability >= sure) return isFamiliar ? "sure" : "unlike";
  return isFamiliar && probability + second >= sure ? "either" : "not_sure";
}

// Several photos of one fruit, [{probabilities, likeness}], as one: what a verdict is made of.
// It is orchard.classify.together.
export function together(seen) {
  const n = seen.length;
  const logs = seen[0].probabilities.map((_, c) =>
    seen.reduce((sum, one) => sum + Math.log(Math.max(one.probabilities[c], LEAST_SAID)) / n, 0),
  );
  return {
    probabilities: softmax(logs, 1),
    likeness: seen.reduce((sum, one) => sum + one.likeness / n, 0),
  };
}
