import { testScenarios } from "./testing.ts";

testScenarios("command");
