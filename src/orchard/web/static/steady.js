// Answers over the frames of a film, steadied: a name that flickers helps nobody.
const SHARE = 0.35; // of the newest frame in the running mean: some five frames are remembered
const FRAMES = 2; // in a row that another name must lead before it is shown

export class Steady {
  // verdict: of a classifier, from probabilities and likeness.
  constructor(verdict) {
    Object.assign(this, { verdict, mean: null, likeness: 0, shown: null, ahead: 0 });
  }

  // What to show after one more frame.
  next({ probabilities, likeness }) {
    if (!this.mean) {
      this.mean = Float64Array.from(probabilities);
      this.likeness = likeness;
    } else {
      this.mean.forEach((p, i) => (this.mean[i] = p + SHARE * (probabilities[i] - p)));
      this.likeness += SHARE * (likeness - this.likeness);
    }
    const found = this.verdict(this.mean, this.likeness);
    const isOther = this.shown && heading(found) !== heading(this.shown);
    this.ahead = isOther ? this.ahead + 1 : 0;
    if (!isOther || this.ahead >= FRAMES) {
      this.shown = found;
      this.ahead = 0;
    }
    return this.shown;
  }
}

const heading = ({ answer, species: [best, second] }) => {
  if (answer === "not_a_fruit") return answer;
  return `${answer} ${best.label} ${answer === "either" ? second.label : ""}`;
};
