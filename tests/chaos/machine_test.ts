import { testScenarios } from "./testing.ts";

testScenarios("machine");
