(function () {
  "use strict";
  document.querySelectorAll(".slider").forEach(function (slider) {
    var input = slider.querySelector("input");
    var rows = document.getElementById(input.dataset.points).querySelectorAll("tbody tr");
    var output = document.getElementById(input.dataset.says);
    function say() {
      var cells = rows[Number(input.value)].children;
      output.replaceChildren();
      Array.prototype.forEach.call(cells, function (cell, index) {
        if (index) output.append(" → ");
        Array.prototype.forEach.call(cell.childNodes, function (node) { output.append(node.cloneNode(true)); });
      });
      input.setAttribute("aria-valuetext", output.textContent);
      rows.forEach(function (row, index) { row.classList.toggle("chosen", index === Number(input.value)); });
    }
    input.addEventListener("input", say);
    slider.hidden = false;
    say();
  });
})();
