import js from '@eslint/js';
import globals from 'globals';

/** What Gradio gives to a script that it runs when a component loads. */
const gradio = {element: 'readonly', props: 'readonly', trigger: 'readonly', upload: 'readonly', watch: 'readonly'};

export default [
  {ignores: ['cxr_demo/web/viewer/dist/', '.venv/', 'runs/', 'build/']},
  js.configs.recommended,
  {
    rules: {
      'array-callback-return': 'error',
      'consistent-return': 'off',  // an early `return draw()` is meant
      curly: ['error', 'multi-line'],
      eqeqeq: 'error',
      'max-depth': ['error', 4],
      'max-lines-per-function': ['error', {max: 45, skipBlankLines: true, skipComments: true}],
      'no-console': 'error',
      'no-implicit-globals': 'error',
      'no-shadow': 'error',
      'no-unused-vars': ['error', {argsIgnorePattern: '^_', varsIgnorePattern: '^_'}],
      'no-use-before-define': ['error', {functions: false, variables: false}],
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'prefer-template': 'error',
    },
  },
  {files: ['cxr_demo/web/viewer/*.js'], languageOptions: {globals: globals.browser}},
  {files: ['train/audit/review.js'], languageOptions: {globals: {...globals.browser, ...gradio}, sourceType: 'script'},
    rules: {'no-implicit-globals': 'off'}},  // Gradio makes it a function's body
  {files: ['*.config.js', 'tests/viewer/*.js'], languageOptions: {globals: globals.node}},
];
