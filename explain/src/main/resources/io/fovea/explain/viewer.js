// Draws explanations, for the page of `fovea explain` and for the explorer. It uses no library.
const COLOURS = Array.from({length: 256}, (_, level) => viridis(level / 255));
const LINES = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8c6bb1', '#7f7f7f'];
const view = {smooth: true, over: 0.6};

/** Creates an element. Attributes whose names begin with "on" are listeners. */
function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  fill(node, attributes, children);
  return node;
}
function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  fill(node, attributes, children);
  return node;
}
function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'style') node.style.cssText = value;
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== ''));
}
function number(value) {
  if (value === null || value === undefined) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 0.001 || size >= 1e5) return value.toExponential(1).replace('e-', 'e−');
  return value.toFixed(size < 0.01 ? 4 : size < 1 ? 3 : 2);
}
function percent(value, digits = 1) { return (100 * value).toFixed(digits) + '\u00a0%'; }
function ordinal(value) { return value + ({2: 'nd', 3: 'rd'}[value] || 'th'); }
function bytes(base64) { return Uint8Array.from(atob(base64), letter => letter.charCodeAt(0)); }

/** The levels 0 to 255 of a plane, which may hold bytes, base64 levels or values. */
function levels(plane) {
  if (plane.bytes) return plane.bytes;
  if (plane.levels) return plane.bytes = bytes(plane.levels);
  const least = plane.statistics.minimum, span = plane.statistics.maximum - least;
  return plane.bytes = Uint8Array.from(plane.values, value => span > 0 ? Math.round(255 * (value - least) / span) : 0);
}
/** Draws levels as colours; strength is given for a map over an image, 1 unless it is nearly flat. */
function paint(canvas, height, width, data, strength) {
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const context = canvas.getContext('2d'), pixels = context.createImageData(width, height);
  for (let i = 0; i < data.length; i++) {
    const colour = COLOURS[data[i]];
    pixels.data[4 * i] = colour[0];
    pixels.data[4 * i + 1] = colour[1];
    pixels.data[4 * i + 2] = colour[2];
    pixels.data[4 * i + 3] = strength === undefined ? 255 : strength * (64 + .75 * data[i]); // low values are more transparent, so that the image stays visible
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}
function canvasOf(plane, label, strength) {
  const canvas = el('canvas', label ? {role: 'img', 'aria-label': label} : {'aria-hidden': 'true'});
  return paint(canvas, plane.height, plane.width, levels(plane), strength);
}
/** A legend of values; of shares of attention as multiples of even, which is what each position would get if all got the same. */
function legend(least, most, even) {
  const text = value => even ? `${(value / even).toFixed(Math.abs(value / even - 1) < .1 ? 2 : 1)} × even` : number(value);
  return el('div', {class: 'legend'}, el('span', {}, text(least)), el('i', {'aria-hidden': 'true'}), el('span', {}, text(most)));
}
/** What each of the positions gets from even attention; 0 if these are no shares, as in dot products. */
function evenShare(least, most, positions) { return most <= 1.0001 && least >= 0 ? 1 / positions : 0; }
/** How strongly a map is drawn. Colours run from the smallest to the largest value, so a map whose values hardly differ is faded, or it would look like a finding. */
function strength(least, most, even, isFlat) {
  return even ? Math.max(.15, Math.min(1, (most - least) / even)) : isFlat ? .3 : 1;
}
function numbers(statistics, gates) {
  const pair = (term, value) => el('div', {}, el('dt', {}, term), el('dd', {}, value));
  return el('dl', {class: 'numbers'},
    pair('range', number(statistics.minimum) + ' to ' + number(statistics.maximum)),
    pair('mean', number(statistics.mean)),
    statistics.entropy === null ? null : pair('entropy', statistics.entropy.toFixed(3)),
    gates ? pair('under 0.1', percent(statistics.under)) : null,
    gates ? pair('over 0.9', percent(statistics.over)) : null);
}
function verdict(text) { return text ? el('p', {class: 'flat'}, text) : null; }

/** What the network sees, the whole image or a centred square, as fractions of the image's sides. */
function square(image) {
  if (image.whole) return {left: 0, top: 0, width: 1, height: 1};
  const side = Math.max(1, Math.round(Math.min(image.width, image.height) * (image.seen ?? 1)));
  return {left: Math.floor((image.width - side) / 2) / image.width, top: Math.floor((image.height - side) / 2) / image.height,
    width: side / image.width, height: side / image.height};
}
/** The image with a canvas over the square that the network sees. */
function over(image, canvas) {
  const crop = square(image), part = value => (100 * value) + '%';
  const box = el('div', {class: 'crop', style:
    `left:${part(crop.left)};top:${part(crop.top)};width:${part(crop.width)};height:${part(crop.height)}`}, canvas);
  return {box, whole: el('div', {class: 'over', style: `aspect-ratio:${image.width}/${image.height};width:min(100%, calc(480px * ${image.width} / ${image.height}))`},
    el('img', {src: image.source, alt: '', class: image.width < 200 ? 'pixels' : ''}), box)};
}
function mapFigure(title, image, plane, gates, more) {
  const label = `${title}: ${plane.height} by ${plane.width} values from ${number(plane.statistics.minimum)} to ${number(plane.statistics.maximum)}, laid over the image`;
  const {minimum, maximum} = plane.statistics, even = more && more.even;
  const parts = over(image, canvasOf(plane, label, strength(minimum, maximum, even, plane.verdict)));
  if (more && more.mark) mark(parts.box, more.mark.x, more.mark.y, more.mark.width, more.mark.height);
  return el('figure', {}, el('h4', {}, title), parts.whole, legend(minimum, maximum, even),
    el('figcaption', {}, verdict(plane.verdict), numbers(plane.statistics, gates), more && more.text ? el('p', {class: 'soft'}, more.text) : null));
}
function mark(box, x, y, width, height) {
  let spot = box.querySelector('.mark');
  if (!spot) { spot = el('div', {class: 'mark'}); box.append(spot); }
  spot.style.left = 100 * (x + .5) / width + '%';
  spot.style.top = 100 * (y + .5) / height + '%';
  spot.style.width = Math.min(12, 100 / width) + '%';
  spot.style.height = Math.min(12, 100 / height) + '%';
}

/** The sorted gates, and the feature maps of the largest and the smallest. */
function channelFigure(channel) {
  const sorted = channel.values.map((gate, i) => ({gate, i})).sort((a, b) => b.gate - a.gate);
  const high = Math.max(0, sorted[0].gate), low = Math.min(0, sorted[sorted.length - 1].gate);
  const top = low === 0 && high <= 1 ? 1 : high, span = top - low || 1, y = gate => 100 * (top - gate) / span;
  const wide = 600 / sorted.length;
  const chart = svg('svg', {class: 'bars', viewBox: '0 0 600 100', preserveAspectRatio: 'none', role: 'img',
    'aria-label': `${sorted.length} channel gates, sorted: from ${number(sorted[0].gate)} in channel ${sorted[0].i} down to ${number(sorted[sorted.length - 1].gate)} in channel ${sorted[sorted.length - 1].i}`},
    top === 1 && low === 0 ? [0.1, 0.9].map(at => svg('line', {class: 'threshold', x1: 0, x2: 600, y1: y(at), y2: y(at), 'vector-effect': 'non-scaling-stroke'})) : [],
    sorted.map(({gate}, at) => svg('rect', {x: at * wide, width: Math.max(wide * (sorted.length > 150 ? 1.02 : .86), .6), y: Math.min(y(gate), y(0)), height: Math.max(.4, Math.abs(y(gate) - y(0)))})),
    svg('line', {x1: 0, x2: 600, y1: y(0), y2: y(0), 'vector-effect': 'non-scaling-stroke'}));
  const tile = map => el('div', {}, canvasOf(map, `feature map of channel ${map.channel}`), el('span', {}, el('b', {}, number(map.gate)), ' in channel ' + map.channel));
  const half = channel.shown.length / 2;
  return el('figure', {class: 'wide'}, el('h4', {}, `${sorted.length} channel gates, largest first`),
    el('div', {class: 'legend'}, el('span', {}, `bars from ${number(low)} to ${number(top)}`)), chart,
    el('figcaption', {}, verdict(channel.verdict), numbers(channel.statistics, true),
      half ? el('div', {class: 'shown'},
        el('div', {}, el('p', {class: 'soft small'}, 'Largest gates, with their feature maps'), el('div', {class: 'tiles'}, channel.shown.slice(0, half).map(tile))),
        el('div', {}, el('p', {class: 'soft small'}, 'Smallest gates, with their feature maps'), el('div', {class: 'tiles'}, channel.shown.slice(half).map(tile)))) : null));
}
function matrixFigure(matrix) {
  return el('figure', {class: 'matrix'}, el('h4', {}, `What each channel (row) attends to, ${matrix.channels} channels`),
    canvasOf(matrix, `${matrix.channels} by ${matrix.channels} shares from ${number(matrix.minimum)} to ${number(matrix.maximum)}`), legend(matrix.minimum, matrix.maximum),
    el('figcaption', {}, verdict(matrix.verdict), numbers(matrix.statistics, false),
      el('dl', {class: 'numbers'}, el('div', {}, el('dt', {}, 'to itself'), el('dd', {}, percent(matrix.itself, 2))),
        matrix.row_entropy === null ? null : el('div', {}, el('dt', {}, 'entropy of a row'), el('dd', {}, matrix.row_entropy.toFixed(3)))),
      matrix.block > 1 ? el('p', {class: 'soft'}, `Each cell is the mean of ${matrix.block} × ${matrix.block} channels.`) : null));
}

/** The class of each pixel in its colour over the image, with a legend, and how uncertain the network is. */
function sceneView(image, scene, classes) {
  const labels = bytes(scene.labels), counts = classes.map(() => 0);
  for (const label of labels) counts[label]++;
  const there = classes.map((name, label) => label).filter(label => counts[label] > 0).sort((a, b) => counts[b] - counts[a]);
  const hidden = new Set([0]); // as in overlays, the image stays as it is where the class is the first
  const rgb = scene.colours.map(colour => [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16)));
  const canvas = el('canvas', {class: 'labels', role: 'img', 'aria-label': 'The class of each pixel: ' + there.map(label => `${classes[label]} ${percent(counts[label] / labels.length)}`).join(', ')});
  canvas.width = scene.width; canvas.height = scene.height;
  function draw() {
    const context = canvas.getContext('2d'), pixels = context.createImageData(scene.width, scene.height);
    labels.forEach((label, i) => {
      pixels.data.set(rgb[label], 4 * i);
      pixels.data[4 * i + 3] = hidden.has(label) ? 0 : 255;
    });
    context.putImageData(pixels, 0, 0);
  }
  const parts = over(image, canvas), readout = el('p', {class: 'readout', 'aria-live': 'polite'}, 'Move over the image to see the class of a pixel.');
  const uncertain = levels(scene.uncertainty), range = scene.uncertainty.maximum - scene.uncertainty.minimum;
  parts.box.addEventListener('pointermove', event => {
    const box = parts.box.getBoundingClientRect();
    const place = (at, size) => Math.max(0, Math.min(size - 1, Math.floor(at * size)));
    const x = place((event.clientX - box.left) / box.width, scene.width), y = place((event.clientY - box.top) / box.height, scene.height), i = y * scene.width + x;
    readout.textContent = `Pixel (${Math.floor((x + .5) * image.width / scene.width)}, ${Math.floor((y + .5) * image.height / scene.height)}): ${classes[labels[i]]}, uncertainty ${number(scene.uncertainty.minimum + range * uncertain[i] / 255)}`;
  });
  const legend = el('div', {class: 'toggles', role: 'group', 'aria-label': 'Classes in colour'}, there.map(label => el('button', {type: 'button', 'aria-pressed': String(!hidden.has(label)), style: `--c:${scene.colours[label]}`, onclick: event => {
    if (hidden.has(label)) hidden.delete(label); else hidden.add(label);
    event.currentTarget.setAttribute('aria-pressed', String(!hidden.has(label)));
    draw();
  }}, el('i', {'aria-hidden': 'true'}), `${classes[label]} ${percent(counts[label] / labels.length)}`)));
  draw();
  return el('section', {class: 'scene', 'aria-label': 'The classes of the pixels'}, controls(), el('div', {class: 'figures'},
    el('figure', {}, el('h4', {}, 'The class of each pixel'), parts.whole, legend, el('figcaption', {}, readout,
      image.width === scene.input_width ? null : el('p', {class: 'soft'}, `The network saw the image scaled to ${scene.input_width} × ${scene.input_height}.`))),
    mapFigure('Uncertainty of each pixel', image, scene.uncertainty, false, {text: 'The entropy of the probabilities: 0 if one class has them all, 1 if all classes are equally probable.'})));
}
/** Which classes attend to which over a data set. */
function scenesView(root, survey) {
  const cell = (value, text, title) => el('td', value === null ? {} : {style: `background:rgb(${COLOURS[Math.round(255 * Math.max(0, Math.min(1, value)))].join(' ')});color:${value > .6 ? '#000' : '#fff'}`, title}, value === null ? '–' : text);
  root.replaceChildren(...survey.modules.map(module => {
    const present = survey.classes.map((name, label) => label).filter(label => module.positions[label] > 0), parts = [];
    if (module.weights) parts.push(el('figure', {}, el('h4', {}, 'What the positions of each class (row) attend to'), el('div', {class: 'scroll', tabindex: 0}, el('table', {class: 'affinity'},
      el('thead', {}, el('tr', {}, el('th', {}), present.map(label => el('th', {scope: 'col'}, survey.classes[label])), el('th', {scope: 'col'}, 'positions'))),
      el('tbody', {}, present.map(i => el('tr', {}, el('th', {scope: 'row'}, survey.classes[i]), present.map(j => cell(module.weights[i][j],
        [percent(module.weights[i][j]), el('small', {}, module.even[i][j] > 0 ? ` ${(module.weights[i][j] / module.even[i][j]).toFixed(1)}×` : '')],
        `${survey.classes[i]} attends to ${survey.classes[j]}: ${percent(module.weights[i][j])}; with even attention it would be ${percent(module.even[i][j])}`)), el('td', {}, String(module.positions[i]))))))),
      el('figcaption', {class: 'soft'}, 'The share of its attention that a position of the class in the row pays to all positions of the class in the column; then how many times as much as with even attention.')));
    if (module.gates) parts.push(el('figure', {}, el('h4', {}, 'Mean spatial gate of each class'), el('table', {class: 'affinity'}, el('tbody', {}, present.map(label =>
      el('tr', {}, el('th', {scope: 'row'}, survey.classes[label]), cell(module.gates[label], number(module.gates[label]), survey.classes[label])))))));
    return el('section', {class: 'survey'}, el('h2', {class: 'name'}, module.name), el('p', {class: 'soft'}, el('code', {}, module.attention)), parts);
  }));
}

/** An image that shows what the position under the pointer attends to. */
function liveFigure(image, affinity) {
  const grid = affinity.grid, data = bytes(grid.levels), height = affinity.received.height, width = affinity.received.width, keys = height * width;
  const canvas = el('canvas', {'aria-hidden': 'true'});
  const parts = over(image, canvas), scale = el('div', {}), readout = el('p', {class: 'readout', 'aria-live': 'polite'});
  const start = affinity.rows[0] || {x: affinity.width >> 1, y: affinity.height >> 1};
  let at = {x: Math.min(grid.width - 1, Math.round(start.x / grid.step)), y: Math.min(grid.height - 1, Math.round(start.y / grid.step))};
  function show(x, y) {
    at = {x: Math.max(0, Math.min(grid.width - 1, x)), y: Math.max(0, Math.min(grid.height - 1, y))};
    const row = at.y * grid.width + at.x, values = data.subarray(row * keys, (row + 1) * keys);
    const least = grid.minima[row], most = grid.maxima[row], even = evenShare(least, most, keys);
    paint(canvas, height, width, values, strength(least, most, even, false));
    mark(parts.box, at.x * grid.step, at.y * grid.step, affinity.width, affinity.height);
    scale.replaceChildren(legend(least, most, even));
    let best = 0;
    for (let i = 1; i < keys; i++) if (values[i] > values[best]) best = i;
    const share = even ? percent(most, most < .01 ? 2 : 1) : number(most);
    readout.textContent = `Position (${at.x * grid.step}, ${at.y * grid.step}) of ${affinity.width} × ${affinity.height} attends most to (${best % width}, ${Math.floor(best / width)})` +
      (width === affinity.width ? '' : ` of ${width} × ${height}`) + `: ${share}` + (share.endsWith('%') ? ` (uniform: ${percent(1 / keys, 1 / keys < .01 ? 2 : 1)}).` : '.');
  }
  function move(event) {
    const box = parts.box.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * affinity.width, y = (event.clientY - box.top) / box.height * affinity.height;
    show(Math.round((x - .5) / grid.step), Math.round((y - .5) / grid.step));
  }
  const keysOf = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  fill(parts.whole, {tabindex: 0, role: 'application', 'data-live': true,
    'aria-label': 'What a position attends to: move over the image, or use the arrow keys',
    onpointermove: move, onpointerdown: move,
    onkeydown: event => {
      const step = keysOf[event.key];
      if (step) { event.preventDefault(); show(at.x + step[0], at.y + step[1]); }
    }}, []);
  parts.whole.classList.add('live');
  show(at.x, at.y);
  return el('figure', {}, el('h4', {}, 'What a position attends to'), parts.whole, scale,
    el('figcaption', {}, readout, el('p', {class: 'soft'}, 'Move over the image, or use the arrow keys. Positions are given as (column, row).' +
      (grid.step > 1 ? ` You can select every ${ordinal(grid.step)} position in each direction.` : ''))));
}
function affinityFigures(image, affinity) {
  const figures = [], even = affinity.row_entropy === null ? 0 : 1 / (affinity.received.height * affinity.received.width);
  if (affinity.grid) figures.push(liveFigure(image, affinity));
  figures.push(mapFigure('Attention received by each position', image, {...affinity.received, verdict: affinity.verdict}, false,
    {even, text: affinity.row_entropy === null ? '' : `The attention of a position has a mean entropy of ${affinity.row_entropy.toFixed(3)} (1: it attends to all positions equally, 0: to one position).`}));
  for (const row of affinity.rows) {
    figures.push(mapFigure(`Attention of position (${row.x}, ${row.y})`, image, row, false,
      {even, mark: {x: row.x, y: row.y, width: affinity.width, height: affinity.height}}));
  }
  return figures;
}

/**
 * Shows one network on one image.
 *
 * need(choice) resolves to an explanation with all details of a module or layer. chosen(choice, stage) is called
 * when the user selects something. root.follow(choice, stage) repeats a selection here, if the network has it.
 * cams lists the layers with Grad-CAM. none is the sentence that is shown if there is no attention.
 */
function networkView(root, {image, explanation, need, classes, wanted, name, cams = explanation.stages.map(stage => stage.name), none = 'This network has no attention.', chosen = () => {}}) {
  const detail = el('section', {class: 'detail', 'aria-label': 'Selected in ' + name});
  const shown = el('p', {class: 'hidden', role: 'status'}); // announces the selection to screen readers
  const buttons = new Map();
  const names = explanation.layers.map(layer => layer.name);
  const stageOf = layer => explanation.stages.findIndex(stage => names.indexOf(stage.name) >= names.indexOf(layer));
  const stages = explanation.stages.map((stage, i) => {
    const modules = explanation.modules.filter(module => stageOf(module.layer) === i);
    const nodes = modules.map(module => node(module, {module: module.name}));
    for (const layer of cams.filter(layer => stageOf(layer) === i)) {
      nodes.push(el('button', {type: 'button', class: 'node cam', 'aria-pressed': 'false', 'data-cam': layer, onclick: () => pick({layer})},
        el('span', {class: 'what'}, 'Grad-CAM ', el('small', {}, 'of ' + layer))));
      buttons.set('cam ' + layer, nodes[nodes.length - 1]);
    }
    return el('li', {class: 'stage'}, el('h3', {}, el('b', {class: 'name'}, stage.name), el('span', {}, `${stage.channels} × ${stage.height} × ${stage.width}`)),
      el('ul', {class: 'nodes'}, nodes.map(button => el('li', {}, button))));
  });
  function node(module, choice) {
    const plane = module.spatial || (module.channel ? miniature(module.channel) : null);
    const button = el('button', {type: 'button', class: 'node', 'aria-pressed': 'false', 'data-module': module.name, onclick: () => pick(choice)},
      plane ? canvasOf(plane) : null,
      el('span', {class: 'what'}, el('span', {class: 'name'}, module.name), ' ',
        module.verdict ? el('small', {class: 'idle'}, 'no effect here') : el('small', {}, 'changes ' + percent(module.change))));
    buttons.set('module ' + module.name, button);
    return button;
  }
  const there = choice => choice.module ? buttons.has('module ' + choice.module) : buttons.has('cam ' + choice.layer);
  const stageOfChoice = choice => choice.layer || explanation.stages[stageOf(explanation.modules.find(module => module.name === choice.module).layer)].name;
  function pick(choice) { chosen(choice, stageOfChoice(choice)); return choose(choice); }
  root.follow = (choice, stage) => {
    const same = [choice, {layer: stage}].find(there);
    return same ? choose(same) : undefined;
  };
  let turn = 0;
  async function choose(choice) {
    const mine = ++turn, key = choice.module ? 'module ' + choice.module : 'cam ' + choice.layer;
    for (const [other, button] of buttons) button.setAttribute('aria-pressed', String(other === key));
    detail.classList.add('busy');
    try {
      const full = await need(choice);
      if (mine === turn) detail.replaceChildren(...(choice.module
        ? moduleDetail(image, full.modules.find(module => module.name === choice.module), full.grad_cam.find(cam => cam.layer === stageOfChoice(choice)))
        : camDetail(full, choice)));
    } catch (error) {
      if (mine === turn) detail.replaceChildren(el('p', {class: 'notice', role: 'alert'}, error.message));
    }
    if (mine === turn) {
      detail.classList.remove('busy');
      root.chosen = choice;
      shown.textContent = 'Showing ' + (choice.module || 'Grad-CAM of ' + choice.layer);
    }
  }
  function camDetail(full, choice) {
    const cam = full.grad_cam.find(one => one.layer === choice.layer);
    const select = root.targets ? el('label', {class: 'field'}, el('span', {}, 'Class'), el('select', {'data-target': true, onchange: event => root.targets(classes[event.target.value], choice)},
      classes.map((name, i) => el('option', {value: i, selected: i === cam.label}, name)))) : null;
    return [el('header', {}, el('h3', {}, 'Grad-CAM of ', el('span', {class: 'name'}, cam.layer)), el('p', {class: 'soft'}, 'evidence for ' + cam.class)),
      controls(select), el('div', {class: 'figures'}, camFigures(image, cam))];
  }
  root.replaceChildren(
    el('div', {class: 'summary'},
      el('figure', {class: 'photo'}, el('img', {src: image.source, alt: 'The image ' + image.name, class: image.width < 200 ? 'pixels' : ''}),
        el('figcaption', {}, image.name + (image.width ? `, ${image.width} × ${image.height}` : ''))),
      classList(explanation.predictions),
      explanation.modules.length ? null : el('p', {class: 'soft small bare'}, none + ' Grad-CAM shows where its stages find evidence for the class.')),
    explanation.scene ? sceneView(image, explanation.scene, classes) : '',
    el('ol', {class: 'network', 'aria-label': `The network ${name}, stage by stage`, tabindex: 0}, stages), shown, detail);
  const first = [wanted].flat().find(choice => choice && there(choice))
    || (explanation.modules.length ? {module: mostTelling(explanation.modules).name} : {layer: cams[cams.length - 1]});
  root.first = [first, {layer: stageOfChoice(first)}];
  return choose(first);
}
/** The module that changes its output most; the first of several. */
function mostTelling(modules) { return modules.reduce((most, module) => module.change > most.change ? module : most); }
function classList(predictions) {
  return el('ol', {class: 'classes', 'aria-label': 'Predictions'}, predictions.slice(0, 5).map(one => el('li', {},
    el('span', {class: 'label', title: one.name}, one.name), el('span', {class: 'meter', 'aria-hidden': 'true'}, el('i', {style: `width:${100 * one.probability}%`})),
    el('span', {class: 'value'}, percent(one.probability)))));
}

/** Shows one network on one clip: what its positions attend to across the frames. */
function videoView(root, video) {
  const detail = el('section', {class: 'detail', 'aria-label': 'Selected'});
  const buttons = video.modules.map(module => el('button', {type: 'button', class: 'node', 'aria-pressed': 'false', onclick: () => choose(module)},
    el('span', {class: 'what'}, el('span', {class: 'name'}, module.name), el('small', {}, 'changes ' + percent(module.change)))));
  const size = grid => `${grid.times} × ${grid.height} × ${grid.width}`;
  function choose(module) {
    buttons.forEach((button, i) => button.setAttribute('aria-pressed', String(video.modules[i] === module)));
    detail.replaceChildren(
      el('header', {}, el('h3', {class: 'name'}, module.name), el('p', {class: 'soft'}, el('code', {}, module.attention),
        `; ${size(module.from)} positions (time, height, width) attend to ${size(module.to)}; changes ${percent(module.change)} of its output`)),
      ...module.verdicts.map(text => el('p', {class: 'notice'}, text + '.')), controls(),
      el('div', {class: 'strips'}, attendedFigure(video, module), receivedFigure(video, module)));
  }
  root.replaceChildren(el('p', {class: 'soft small', style: 'margin-bottom:8px'}, `${video.name}, ${video.width} × ${video.height}, ${video.length} frames`), classList(video.predictions),
    video.modules.length > 1 ? el('div', {class: 'modules', role: 'group', 'aria-label': 'Attention modules'}, buttons) : '', detail);
  choose(video.modules[0]);
}
/** The frames of a clip side by side, each with a canvas over it. */
function strip(video, label) {
  const canvases = video.frames.map(() => el('canvas', {'aria-hidden': 'true'}));
  const boxes = video.frames.map((frame, i) => el('div', {class: 'over', style: 'aspect-ratio:1'}, el('img', {src: frame.source, alt: '', class: video.side < 100 ? 'pixels' : ''}), canvases[i]));
  const root = el('div', {class: 'strip', role: 'img', 'aria-label': label}, boxes.map((box, i) => el('div', {}, box, el('span', {class: 'soft small'}, video.frames[i].label))));
  return {root, boxes, paint(grid, data, strong) {
    const plane = grid.height * grid.width;
    canvases.forEach((canvas, i) => {
      const time = Math.floor(i * grid.times / canvases.length);
      paint(canvas, grid.height, grid.width, data.subarray(time * plane, (time + 1) * plane), strong);
    });
  }};
}
function receivedFigure(video, module) {
  const parts = strip(video, `Attention received by each position: from ${number(module.received.statistics.minimum)} to ${number(module.received.statistics.maximum)}, laid over the frames`);
  const {minimum, maximum} = module.received.statistics, even = module.row_entropy === null ? 0 : 1 / (module.to.times * module.to.height * module.to.width);
  parts.paint(module.to, levels(module.received), strength(minimum, maximum, even, false));
  return el('figure', {}, el('h4', {}, 'Attention received by each position'), parts.root, legend(minimum, maximum, even),
    el('figcaption', {}, numbers(module.received.statistics, false)));
}
/** A clip that shows what the position under the pointer attends to, with arrows to the largest weights. */
function attendedFigure(video, module) {
  const {from, to, every} = module, data = bytes(every.levels), keys = to.times * to.height * to.width, frames = video.frames.length;
  const rows = Math.ceil(from.height / every.step), columns = Math.ceil(from.width / every.step);
  const parts = strip(video, ''), scale = el('div', {}), readout = el('p', {class: 'readout', 'aria-live': 'polite'});
  const arrows = svg('svg', {'aria-hidden': 'true'});
  parts.root.append(arrows);
  const firstFrame = time => Math.ceil(time * frames / to.times), clamp = (value, most) => Math.max(0, Math.min(most, value));
  const pixel = (grid, column, row) => `${video.square.left + Math.floor((column + .5) / grid.width * video.square.side)},${video.square.top + Math.floor((row + .5) / grid.height * video.square.side)}`;
  let at, shown;
  function show(frame, row, column, values, least, most) {
    at = {frame, row, column};
    shown = () => show(frame, row, column, values, least, most);
    const even = evenShare(least, most, keys);
    parts.paint(to, values, strength(least, most, even, false));
    parts.boxes.forEach((box, i) => { const spot = box.querySelector('.mark'); if (spot && i !== frame) spot.remove(); });
    mark(parts.boxes[frame], column, row, from.width, from.height);
    const spot = parts.boxes[frame].querySelector('.mark');
    spot.style.width = 100 / from.width + '%';
    spot.style.height = 100 / from.height + '%';
    const order = Array.from(values.keys()).sort((a, b) => values[b] - values[a]).slice(0, 8);
    const value = i => least + (most - least) * values[i] / 255;
    const target = i => ({frame: firstFrame(Math.floor(i / to.width / to.height)), row: Math.floor(i / to.width) % to.height, column: i % to.width});
    draw(order.filter(i => value(i) >= .4 * most).map(target));
    const best = target(order[0]);
    scale.replaceChildren(legend(least, most, even));
    readout.textContent = `Pixel ${pixel(from, column, row)} of ${video.frames[frame].label}, attends most to pixel ${pixel(to, best.column, best.row)} of ${video.frames[best.frame].label}: ` +
      (even ? `${percent(most, most < .01 ? 2 : 1)} (uniform: ${percent(even, even < .01 ? 2 : 1)}).` : `${number(most)}.`);
    choices.forEach((button, i) => button.setAttribute('aria-pressed', String(module.rows[i].frame === frame && module.rows[i].x === column && module.rows[i].y === row)));
  }
  function draw(targets) {
    const home = parts.root.getBoundingClientRect();
    const point = (frame, x, y) => { const box = parts.boxes[frame].getBoundingClientRect(); return [box.left - home.left + x * box.width, box.top - home.top + y * box.height]; };
    const [x, y] = point(at.frame, (at.column + .5) / from.width, (at.row + .5) / from.height);
    arrows.replaceChildren(...targets.flatMap(({frame, row, column}) => {
      const [toX, toY] = point(frame, (column + .5) / to.width, (row + .5) / to.height), turn = Math.atan2(toY - y, toX - x);
      if (Math.hypot(toX - x, toY - y) < 4) return [];
      const head = side => `M${toX - 9 * Math.cos(turn + side)} ${toY - 9 * Math.sin(turn + side)}L${toX} ${toY}`;
      const path = `M${x} ${y}L${toX} ${toY}${head(.45)}${head(-.45)}`;
      return [svg('path', {class: 'edge', d: path}), svg('path', {d: path})];
    }));
  }
  function showEvery(frame, row, column) {
    const time = Math.floor(frame * from.times / frames), index = (time * rows + row) * columns + column;
    show(frame, row * every.step, column * every.step, data.subarray(index * keys, (index + 1) * keys), every.minima[index], every.maxima[index]);
  }
  function showRow(row) {
    show(row.frame, row.y, row.x, levels(row), row.statistics.minimum, row.statistics.maximum);
  }
  function move(event, frame) {
    const box = parts.boxes[frame].getBoundingClientRect();
    const place = (value, count, steps) => clamp(Math.round((value * count - .5) / every.step), steps - 1);
    showEvery(frame, place((event.clientY - box.top) / box.height, from.height, rows), place((event.clientX - box.left) / box.width, from.width, columns));
  }
  parts.boxes.forEach((box, frame) => {
    box.classList.add('live');
    fill(box, {onpointermove: event => move(event, frame), onpointerdown: event => move(event, frame)}, []);
  });
  const keysOf = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
  fill(parts.root, {tabindex: 0, role: 'application', 'data-live': true, 'aria-label': 'What a position attends to: move over the frames, or use the arrow keys, and page up and page down to change the frame',
    onkeydown: event => {
      const step = keysOf[event.key], turn = event.key === 'PageDown' ? 1 : event.key === 'PageUp' ? -1 : 0;
      if (!step && !turn) return;
      event.preventDefault();
      const [down, right] = step || [0, 0];
      showEvery(clamp(at.frame + turn, frames - 1), clamp(Math.round(at.row / every.step) + down, rows - 1), clamp(Math.round(at.column / every.step) + right, columns - 1));
    }}, []);
  const choices = module.rows.map(row => el('button', {type: 'button', 'aria-pressed': 'false', onclick: () => showRow(row)},
    `${video.frames[row.frame].label.split(',')[0]} at ${pixel(from, row.x, row.y)}`));
  const figure = el('figure', {}, el('h4', {}, 'What a position attends to'), el('div', {class: 'choices', role: 'group', 'aria-label': 'Positions'}, choices), parts.root, scale, el('figcaption', {}, readout,
    el('p', {class: 'soft'}, (module.row_entropy === null ? '' : `The attention of a position has a mean entropy of ${module.row_entropy.toFixed(3)} (1: it attends to all positions equally, 0: to one position). `) +
      'Move over the frames, or use the arrow keys, and page up and page down to change the frame.' + (every.step > 1 ? ` You can select every ${ordinal(every.step)} position in each direction.` : ''))));
  // Arrows go from frame to frame, so they are drawn again whenever the layout of the page changes.
  new ResizeObserver(() => shown()).observe(parts.root);
  showRow(module.rows[0]);
  return figure;
}

/** A small picture of the sorted gates. */
function miniature(channel) {
  const sorted = [...channel.values].sort((a, b) => b - a), side = 12, values = [];
  const top = Math.max(1, sorted[0]);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    const gate = sorted[Math.floor(x * sorted.length / side)];
    values.push(gate >= top * (side - y - .5) / side ? 1 : 0);
  }
  return {height: side, width: side, bytes: Uint8Array.from(values, value => value ? 180 : 20)};
}
function controls(...more) {
  return el('div', {class: 'controls'}, ...more,
    el('label', {class: 'field'}, el('span', {}, 'Opacity of the map'), el('input', {type: 'range', class: 'opacity', min: 0, max: 1, step: .05, value: view.over, oninput: event => {
      view.over = event.target.value;
      for (const other of document.querySelectorAll('.opacity')) other.value = view.over;
      document.documentElement.style.setProperty('--over', view.over);
    }})),
    el('label', {class: 'field'}, el('input', {type: 'checkbox', class: 'smoothing', checked: view.smooth, onchange: event => {
      view.smooth = event.target.checked;
      for (const other of document.querySelectorAll('.smoothing')) other.checked = view.smooth;
      document.documentElement.classList.toggle('smooth', view.smooth);
    }}), el('span', {}, 'Smooth')));
}
function camFigures(image, cam) {
  const none = plane => plane.statistics.maximum > 0 ? plane : {...plane, verdict: 'no evidence for this class here'};
  const where = {text: `Computed at ${cam.layer} for ${cam.class}.`};
  return [mapFigure('Grad-CAM', image, none(cam.grad_cam), false, where), mapFigure('Grad-CAM++', image, none(cam.plus_plus), false, where)];
}
/** All figures of a module, with Grad-CAM of its stage beside them. */
function moduleDetail(image, module, cam) {
  const figures = [], affinity = module.affinity ? affinityFigures(image, module.affinity) : [];
  figures.push(...affinity.slice(0, 2));
  if (module.spatial) figures.push(mapFigure('Spatial gate', image, module.spatial, true));
  if (cam) figures.push(...camFigures(image, cam));
  figures.push(...affinity.slice(2));
  if (module.channel_affinity) figures.push(matrixFigure(module.channel_affinity));
  if (module.channel) figures.push(channelFigure(module.channel));
  return [el('header', {}, el('h3', {class: 'name'}, module.name), el('p', {class: 'soft'}, el('code', {}, module.attention), ` on ${module.channels} × ${module.height} × ${module.width}; changes ${percent(module.change)} of its output`)),
    module.verdict ? el('p', {class: 'notice'}, 'This module ' + module.verdict + '.') : '', controls(), el('div', {class: 'figures'}, figures)];
}

/** Gates by class, as in figure 7 of the SE paper, and average maps. */
function surveyView(root, survey) {
  root.replaceChildren(...survey.modules.map(module => {
    const parts = [];
    if (module.gates) parts.push(classLines(module, survey));
    if (module.map) parts.push(el('figure', {class: 'matrix'}, el('h4', {}, module.map.received ? 'Attention received by each position, on average' : 'Spatial gate, on average'),
      canvasOf(module.map, 'average map'), legend(module.map.statistics.minimum, module.map.statistics.maximum), numbers(module.map.statistics, !module.map.received)));
    return el('section', {class: 'survey'}, el('h2', {class: 'name'}, module.name), el('p', {class: 'soft'}, el('code', {}, module.attention),
      module.gates ? `; a gate differs between classes by ${number(module.between_classes)} on average` : ''), el('div', {class: 'pair'}, parts.length ? parts : el('p', {}, 'This mechanism has neither gates nor spatial maps to average. Explain single images instead.')));
  }));
}
function classLines(module, survey) {
  const width = 760, height = 280, left = 62, bottom = 250, top = 18;
  const mean = module.mean_gates;
  const present = survey.order.map(label => ({name: survey.classes[label], gates: module.gates[label]})); // a class has the same colour in each chart
  const all = present.flatMap(one => one.gates), least = Math.min(0, ...all), most = Math.max(1, ...all);
  const x = i => left + (width - left - 8) * i / Math.max(1, mean.length - 1), y = gate => bottom - (bottom - top) * (gate - least) / (most - least);
  const points = gates => gates.map((gate, i) => x(i).toFixed(1) + ',' + y(gate).toFixed(1)).join(' ');
  const lines = present.map((one, i) => svg('polyline', {points: points(one.gates), stroke: LINES[i % LINES.length], visibility: i < 4 ? 'visible' : 'hidden'}));
  const chart = svg('svg', {class: 'lines', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `Mean gate of each of ${mean.length} channels, by class`},
    [0, .25, .5, .75, 1].map(part => least + part * (most - least)).map(value => [svg('line', {class: 'grid', x1: left, x2: width - 8, y1: y(value), y2: y(value)}),
      svg('text', {x: left - 6, y: y(value) + 4, 'text-anchor': 'end'}, number(value))]),
    svg('text', {x: left, y: height - 8}, 'channel 0'), svg('text', {x: width - 8, y: height - 8, 'text-anchor': 'end'}, String(mean.length - 1)),
    lines, svg('polyline', {points: points(mean), stroke: 'currentColor', class: 'mean'}));
  const toggles = el('div', {class: 'toggles', role: 'group', 'aria-label': 'Classes'}, present.map((one, i) =>
    el('button', {type: 'button', 'aria-pressed': String(i < 4), style: `--c:${LINES[i % LINES.length]}`, onclick: event => {
      const on = event.currentTarget.getAttribute('aria-pressed') !== 'true';
      event.currentTarget.setAttribute('aria-pressed', String(on));
      lines[i].setAttribute('visibility', on ? 'visible' : 'hidden');
    }}, el('i', {'aria-hidden': 'true'}), one.name)));
  return el('figure', {}, el('h4', {}, 'Mean gate of each channel, by class; the thick line is the mean over all classes'), chart, toggles, el('figcaption', {}, numbers(module.statistics, true)));
}

document.documentElement.classList.add('smooth');
