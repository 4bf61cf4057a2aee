import { testScenarios } from "./testing.ts";

testScenarios("members");
