#!/usr/bin/env bash
# Guess: time-converter of the Impact Framework makes the energy of a sample of that of an hour, by input / old unit *
#        new unit, as its README has it, and a minute has the same energy in one sample as in sixty.
# Truth: each result is rounded to six decimals, without a word. In kWh that is 3.6 J: a device of 1.5 W sampled each
#        second takes nothing, ever, one of 3 W a fifth too much, and one of 5 W no more than that of 3 W. Multiply and
#        Coefficient give the same unrounded.
# @grnsft/if 1.1.0 (npm), src/if-run/builtins/time-converter/index.ts (calculateEnergy, toFixed(6)).
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --cache "$place/cache" @grnsft/if@1.1.0 > /dev/null
node - <<'NODE' > manifest.yml
const sum = {time: 'sum', component: 'sum'};
const outputs = {};
for (const name of ['energy', 'unrounded', 'kWh-per-hour-times-s']) {
  outputs[name] = {description: name, unit: 'kWh', 'aggregation-method': sum};
}
const plugin = (method, config) => ({method, path: 'builtin', 'parameter-metadata': {outputs}, config});
const plugins = {
  convert: plugin('TimeConverter', {
    'input-parameter': 'energy-per-hour', 'original-time-unit': 'hour', 'new-time-unit': 'duration',
    'output-parameter': 'energy',
  }),
  multiply: plugin('Multiply', {
    'input-parameters': ['energy-per-hour', 'duration'], 'output-parameter': 'kWh-per-hour-times-s',
  }),
  divide: plugin('Coefficient', {
    'input-parameter': 'kWh-per-hour-times-s', coefficient: 1 / 3600, 'output-parameter': 'unrounded',
  }),
};
const children = {};
for (const watts of [1.5, 3, 5]) {
  for (const duration of [1, 5, 60]) {
    const inputs = [];
    for (let start = 0; start < 60; start += duration) {
      const timestamp = new Date(Date.UTC(2026, 0) + 1000 * start).toISOString();
      inputs.push({timestamp, duration, 'energy-per-hour': watts / 1000});
    }
    children[`${watts} W each ${duration} s`] = {pipeline: {compute: ['convert', 'multiply', 'divide']}, inputs};
  }
}
const aggregation = {metrics: ['energy', 'unrounded'], type: 'time'};
console.log(JSON.stringify({name: 'minute', initialize: {plugins}, aggregation, tree: {children}}));
NODE
npx --no-install if-run --manifest manifest.yml --output result.yaml > log.txt 2>&1 || { cat log.txt; exit 1; }
node - <<'NODE'
const assert = require('assert');
const fs = require('fs');
const {children} = require('js-yaml').load(fs.readFileSync('result.yaml', 'utf8')).tree;
const joules = {};
console.log('@grnsft/if', require('@grnsft/if/package.json').version, 'energy of a minute');
for (const [name, node] of Object.entries(children)) {
  const [watts] = name.split(' ');
  joules[name] = 3.6e6 * node.aggregated.energy;
  const unrounded = 3.6e6 * node.aggregated.unrounded;
  console.log(`${name}: ${joules[name].toFixed(1)} J, unrounded ${unrounded.toFixed(1)} J`);
  assert(Math.abs(unrounded - 60 * watts) < 1e-6);
}
const expected = {
  '1.5 W each 1 s': 0, '1.5 W each 5 s': 86.4, '1.5 W each 60 s': 90,
  '3 W each 1 s': 216, '3 W each 5 s': 172.8, '3 W each 60 s': 180,
  '5 W each 1 s': 216, '5 W each 5 s': 302.4, '5 W each 60 s': 298.8,
};
assert.deepStrictEqual(Object.keys(joules).sort(), Object.keys(expected).sort());
for (const [name, value] of Object.entries(expected)) assert(Math.abs(joules[name] - value) < 1e-6, name);
NODE
