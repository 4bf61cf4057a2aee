import { testScenarios } from "./testing.ts";

testScenarios("node");
