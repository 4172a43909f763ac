// The entry of a static page on which one can train: the explorer, and below it the panel. TRAINER_SCRIPT stands before it.

import { openStaticPage } from "../static_page.js";
import { TrainingPanel } from "./panel.js";
import { readSamples } from "./samples.js";

openStaticPage().then(({ explorer, about }) => {
  const { network, modelMeta } = explorer,
    shipped = { title: "shipped model", network, columns: modelMeta.columns };
  const root = document.getElementById("train");
  const { training, hub } = about;
  new TrainingPanel(root, { training, hub, script: TRAINER_SCRIPT, samples: readSamples(explorer), shipped });
});
