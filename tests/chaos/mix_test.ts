import { testScenarios } from "./testing.ts";

testScenarios("mix");
