import { testScenarios } from "./testing.ts";

testScenarios("thaw");
