import { mount } from 'svelte'
import App from './App.svelte'
import '../../src/labelsieve/reports/templates/palette.css'
import './style.css'

mount(App, { target: document.getElementById('app')! })
