import { testScenarios } from "./testing.ts";

testScenarios("network");
