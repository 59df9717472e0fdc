"""What happens when processes die or race, counted. Short forms run in the suite, full ones by `make drill`."""
