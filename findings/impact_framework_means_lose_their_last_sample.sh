#!/usr/bin/env bash
# Guess: time-sync of the Impact Framework (SCI of the Green Software Foundation) brings samples to a coarser grid: what
#        has "sum" in time is summed over each interval, and what has "avg", as intensity or utilisation, averaged.
# Truth: the last of n samples is not added, and the rest is divided by n: a constant becomes 1 - 1/n of itself, and
#        half-hourly intensities half of their first halves, so that their carbon is 300 g for 650 g. Even an hour at
#        400 g/kWh on a grid of hours is 200 with an upsampling-resolution of 1800 s; at the default, 1 s, five seconds
#        lose a fifth and an hour 1/3600. "avg" in `aggregation` is right.
# @grnsft/if 1.1.0 (npm), src/if-run/builtins/time-sync/index.ts (resampleInputFrame); its README says averaged.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --cache "$place/cache" @grnsft/if@1.1.0 > /dev/null
node - <<'NODE' > manifest.yml
const [sum, avg, none] = ['sum', 'avg', 'none'].map(method => ({time: method, component: method}));
const inputs = {
  timestamp: {description: 'start', unit: 'RFC3339', 'aggregation-method': none},
  duration: {description: 'length', unit: 's', 'aggregation-method': sum},
  energy: {description: 'energy', unit: 'kWh', 'aggregation-method': sum},
  'grid/carbon-intensity': {description: 'intensity', unit: 'gCO2e/kWh', 'aggregation-method': avg},
};
const outputs = {carbon: {description: 'carbon', unit: 'gCO2e', 'aggregation-method': sum}};
const plugins = {
  carbon: {
    method: 'Multiply', path: 'builtin', 'parameter-metadata': {inputs, outputs},
    config: {'input-parameters': ['energy', 'grid/carbon-intensity'], 'output-parameter': 'carbon'},
  },
};
const sample = (start, duration, energy, intensity) =>
  ({timestamp: new Date(start * 1000).toISOString(), duration, energy, 'grid/carbon-intensity': intensity});
const halves = [400, 400, 200, 300].map((intensity, i) => sample(1800 * i, 1800, 0.5, intensity));
const children = {observed: {pipeline: {compute: ['carbon']}, inputs: halves}};
const synced = (name, samples, hours, resolution) => {
  plugins[name] = {
    method: 'TimeSync', path: 'builtin', 'parameter-metadata': {inputs},
    config: {
      'start-time': new Date(0).toISOString(), 'end-time': new Date(3600000 * hours).toISOString(),
      interval: 3600, 'allow-padding': false, 'upsampling-resolution': resolution,
    },
  };
  children[name] = {pipeline: {compute: [name, 'carbon']}, inputs: samples};
};
synced('hourly', halves, 2, 1800);
for (const n of [1, 2, 4, 5, 60, 3600]) synced(`constant-${n}`, [sample(0, 3600, 1, 400)], 1, 3600 / n);
const aggregation = {metrics: ['carbon', 'grid/carbon-intensity'], type: 'time'};
console.log(JSON.stringify({name: 'means', initialize: {plugins}, aggregation, tree: {children}}));
NODE
npx --no-install if-run --manifest manifest.yml --output result.yaml > log.txt 2>&1 || { cat log.txt; exit 1; }
node - <<'NODE'
const assert = require('assert');
const fs = require('fs');
const {children} = require('js-yaml').load(fs.readFileSync('result.yaml', 'utf8')).tree;
const close = (a, b) => assert(Math.abs(a - b) < 1e-9 * b, `${a} is not ${b}`);
const shown = node => node.outputs.map(row => row['grid/carbon-intensity']);
console.log('@grnsft/if', require('@grnsft/if/package.json').version, '1 kW for two hours');
const {observed, hourly} = children;
const mean = observed.aggregated['grid/carbon-intensity'];
console.log(`half-hourly: ${shown(observed)} g/kWh, ${observed.aggregated.carbon} g, mean ${mean}`);
console.log(`hourly:      ${shown(hourly)} g/kWh, ${hourly.aggregated.carbon} g`);
assert.deepStrictEqual(shown(observed), [400, 400, 200, 300]);
close(observed.aggregated.carbon, 0.5 * (400 + 400 + 200 + 300));
close(mean, 325);
assert.deepStrictEqual(hourly.outputs.map(row => row.energy), [1, 1]);
assert.deepStrictEqual(shown(hourly), [200, 100]);
close(hourly.aggregated.carbon, 300);
for (const n of [1, 2, 4, 5, 60, 3600]) {
  const [constant] = shown(children[`constant-${n}`]);
  console.log(`400 g/kWh for an hour, in ${n} samples: ${constant}`);
  close(constant, n === 1 ? 400 : 400 * (1 - 1 / n));
}
NODE
