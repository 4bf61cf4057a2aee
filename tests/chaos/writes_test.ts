import { testScenarios } from "./testing.ts";

testScenarios("writes");
