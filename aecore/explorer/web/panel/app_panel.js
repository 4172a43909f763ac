// The entry in the app. TRAINER_SCRIPT stands before it; Streamlit calls it with what can be trained.

import { TrainingPanel } from "./panel.js";

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".trainer-root");
  if (!root.panel) new TrainingPanel(root, { ...data, script: TRAINER_SCRIPT });
  return () => {
    root.panel.destroy();
    delete root.panel;
  };
}
