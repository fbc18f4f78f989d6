// The page's own code: verifies the file that is dropped or chosen, and shows what holds and what does not.

import { evidenceFile, verifySequence } from "chainmote/verify";

const ROWS_MAX = 1000;

function show(bytes) {
  const { ok, verdicts, hold, fail, motes, evidence } = verifySequence(bytes);
  const sum = document.getElementById("sum");
  sum.className = ok ? "" : "fail";
  sum.textContent = `${hold} of ${hold + fail} records hold, of ${motes} mote${motes === 1 ? "" : "s"}`;
  const rows = verdicts.slice(0, ROWS_MAX).map(({ index, mote, fields, fault, notes }) => {
    const row = document.createElement("tr");
    row.className = fault === undefined ? "" : "fail";
    const what = fault === undefined ? ["holds", ...notes].join("; ") : `not ${fault.check}: ${fault.detail}`;
    // Text and never HTML: a record's names are its mote's choice.
    for (const text of [index, mote ?? "", fields === undefined ? "" : `seq ${fields.seq}`, what]) {
      const cell = document.createElement("td");
      cell.textContent = String(text);
      row.append(cell);
    }
    return row;
  });
  document.getElementById("records").replaceChildren(...rows);
  if (evidence.length > 0) offer(evidenceFile(evidence));
}

/** Two signed records that contradict each other, to keep. */
function offer(bytes) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes]));
  link.download = "evidence.cborseq";
  link.textContent = "evidence";
  document.getElementById("sum").append(": ", link);
}

async function take(file) {
  if (file !== undefined) show(new Uint8Array(await file.arrayBuffer()));
}

const input = document.getElementById("file");
input.addEventListener("change", () => take(input.files[0]));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files[0]);
});
for (const name of ["dragover", "dragleave", "drop"])
  document.addEventListener(name, () => input.parentElement.classList.toggle("over", name === "dragover"));
